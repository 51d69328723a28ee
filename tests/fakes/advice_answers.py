"""What the authority answers about advice, as its use cases describe it."""

from typing import Any

Json = dict[str, Any]

TRICKS = "\x1b[2J\u202eevil\u200b\n"
ESCAPED = "\\x1b[2J\\u202eevil\\u200b\\n"
DIGEST = "ab" * 32
OPEN: Json = {
    "id": "0badcafe",
    "author": "advisor:housekeeping",
    "kind": "delete",
    "target": "lab/echo",
    "change": {},
    "reason": "Nobody asked it in 60 days.",
    "assumes": "That nobody will.",
    "confidence": 80,
    "predicts": {"disk_freed_bytes": 3 << 30},
    "evidence": [
        {"field": ["models", "lab/echo", "last_used_us"], "value": 1_790_000_000_000_000},
        {"field": ["models", "lab/echo", "frees_bytes"], "value": 3 << 30},
    ],
    "evidence_holds": True,
    "snapshot": "cd" * 32,
    "digest": DIGEST,
    "state": "open",
    "seen": 2,
    "created_us": 1_790_000_000_000_000,
    "expires_us": 1_790_600_000_000_000,
    "decided": None,
    "outcome": None,
    "ask": None,
    "run": None,
    "refusal": None,
    "would": {"what": "asked", "code": None, "message": None},
}
REFUSED_WOULD: Json = {
    "what": "refused",
    "code": "does_not_fit",
    "message": "It needs 9 GiB and 4 GiB are free.",
}
SHOWN: Json = OPEN | {
    "preview": {"lines": ["3.0 GiB would go to the trash", "  for 24 hours"]},
    "measured": None,
}
DECIDED: Json = {
    **SHOWN,
    "state": "accepted",
    "would": None,
    "preview": None,
    "decided": {"by": "p-00000001", "at_us": 1_790_000_900_000_000, "reason": "It is old."},
    "outcome": "done",
    "run": "ef" * 32,
    "measured": {
        "predicted": {"disk_freed_bytes": 3 << 30},
        "measured": {"disk_freed_bytes": 2 << 30},
        "verdict": "came_true",
    },
}
WALLS: list[Json] = [
    {"name": "own process", "stands": True, "why": ""},
    {"name": "landlock", "stands": False, "why": "This kernel has none."},
]
ADVISORS: Json = {
    "advisors": [
        {
            "name": "residency",
            "assumes": "That the days to come are like those before.",
            "sure": "By how often it was right in the days before.",
            "enabled": True,
            "last": {
                "at_us": 1_790_000_000_000_000,
                "kept": 2,
                "refused": 1,
                "tried": 0,
                "ended": "",
                "elapsed_ms": 300,
                "cpu_ms": 250,
                "peak_bytes": 40 << 20,
            },
        },
        {"name": "llm", "assumes": "-", "sure": "-", "enabled": False, "last": None},
    ],
    "walls": WALLS,
}
RAN: Json = {
    "name": "residency",
    "kept": 2,
    "refused": 0,
    "questions": 0,
    "unanswered": [],
    "ended": "",
    "elapsed_ms": 300,
    "tried": [{"what": "open", "which": f"/etc/passwd{TRICKS}"}],
    "cpu_ms": 200,
    "peak_bytes": 40 << 20,
}
SCORECARD: Json = {
    "advisors": [
        {
            "author": "advisor:housekeeping",
            "proposed": 9,
            "open": 1,
            "accepted": 4,
            "dismissed": 3,
            "expired": 1,
            "came_true": 3,
            "did_not": 1,
            "too_early": 0,
            "unknown": 0,
        }
    ],
    "proposals": [
        {
            "id": "0badcafe",
            "author": "advisor:housekeeping",
            "kind": "delete",
            "target": "lab/echo",
            "state": "accepted",
            "verdict": "did_not",
            "predicted": {"disk_freed_bytes": 3 << 30},
            "measured": {"disk_freed_bytes": 0},
        }
    ],
}
SNAPSHOT: Json = {
    "digest": DIGEST,
    "snapshot": {
        "version": 1,
        "taken_us": 1_790_000_000_000_000,
        "days": 30,
        "models": {"lab/echo": {}},
        "aliases": {},
        "use": {"models": ["lab/echo"], "names": [], "columns": {"hour": [1, 2, 3]}},
    },
}
REPLAYED: Json = {
    "requests": 9_776,
    "cold_starts": 40,
    "cold_starts_lru": 100,
    "cold_starts_idle": 150,
    "avoided_percent": 60,
    "hits": 50,
    "wrong": 10,
    "hit_rate_percent": 83,
    "proposals": 61,
    "name": "residency",
    "month": "office",
    "seed": 7,
    "ended": "",
    "elapsed_ms": 5_000,
    "cpu_ms": 4_900,
    "peak_bytes": 22 << 20,
}
