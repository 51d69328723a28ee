"""What a server says of its store, in round numbers."""

from typing import Any

MIB = 1 << 20


def used(megabytes: int) -> dict[str, int]:
    return {"files": 1, "bytes": megabytes * MIB, "apparent_bytes": megabytes * MIB}


STORE: dict[str, Any] = {
    "volume": {"total_bytes": 400 << 30, "free_bytes": 93 << 30},
    "total": used(200),
    "uses": {
        "models": used(160),
        "trash": used(30),
        "incoming": used(0),
        "downloads": used(5),
        "caches": used(0),
        "orphans": used(5),
    },
    "shared": used(40),
    "models": [
        {"id": "lmx/starter", "own": used(20), "shared": used(40), "elsewhere": used(0)},
        {"id": "lab/" + "long-" * 18, "own": used(100), "shared": used(40), "elsewhere": used(100)},
    ],
    "trash": [
        {
            "id": "0badcafe",
            "model_id": "lab/gone",
            "state": "trashed",
            "size_bytes": 30 * MIB,
            "purge_after_us": 1_790_000_000_000_000,
        }
    ],
    "orphans": ["notes.txt"],
    "orphans_count": 1,
}

KIND = {"task": "embed", "format": "gguf", "quantization": "Q4_K_M", "parameters": 595_776_512}
