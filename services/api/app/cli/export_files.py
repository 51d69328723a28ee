"""The only place that writes what is in an export besides its tiles: keys, notes, the manifest."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from app.cli.export_tree import TreeWriter
    from app.evidence.checkpoints import SignedCheckpoint

FORMAT: Final = "lmx-ledger-export/1"
HOW: Final = "python verify.py --key KEY, with the log's key from somewhere you trust"
VERIFIER: Final = Path(__file__).resolve().parents[3] / "verify" / "verify.py"

_README: Final = """\
An export of an LMX Authority ledger: {size} events, the bodies from event {first} on.

It can be checked without the server that made it. verify.py is one file; read it first if you like.
It needs Python 3.9 or newer and one package: python -m pip install cryptography

    python verify.py                      check everything, from each event to the signed root
    python verify.py --key KEY            the same, with a key that you got elsewhere
    python verify.py --checkpoint FILE    also: does this export extend a checkpoint you kept?

python verify.py --event 12 shows one event and its proof. Without --key, the keys are those that
came along: they say that nothing changed since the export was made, not who made it.

checkpoint    the signed root over all events (C2SP tlog-checkpoint, signed-note)
tile/         hashes and events (C2SP tlog-tiles, RFC 6962)
keys          the log's keys, and those of its witnesses
cosigned/     checkpoints that witnesses, or an old and a new key together, signed
blobs/        evidence that events name by its SHA-256
manifest.json what is here
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the server says an export is held under, read and checked as far as it goes."""

    event: int
    from_seq: int
    first_bundle: int
    checkpoint: "SignedCheckpoint"
    note: str
    keys: tuple[str, ...]
    further: "dict[str, SignedCheckpoint]"
    blobs: tuple[str, ...]

    @property
    def size(self) -> int:
        return self.checkpoint.checkpoint.size

    @property
    def first_seq(self) -> int:
        """The first event whose body is there: bundles are taken whole."""
        from app.evidence.tiles import WIDTH

        return self.first_bundle * WIDTH + 1


def finish(part: Path, begun: Begun, tree: "TreeWriter", since: int | str | None) -> dict[str, Any]:
    """Write what is not a tile, and the manifest that lists it."""
    import rfc8785

    (part / "checkpoint").write_text(begun.note, "utf-8")
    (part / "keys").write_text("".join(f"{key}\n" for key in begun.keys), "utf-8")
    (part / "README.txt").write_text(
        _README.format(size=begun.size, first=begun.first_seq), "utf-8"
    )
    shutil.copyfile(VERIFIER, part / "verify.py")
    if begun.further:
        (part / "cosigned").mkdir()
    for text, signed in begun.further.items():
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        (part / "cosigned" / f"{signed.checkpoint.size}-{name}").write_text(text, "utf-8")
    files = [*part.glob("*"), *part.glob("blobs/*"), *part.glob("cosigned/*")]
    listed = {f.relative_to(part).as_posix(): _sha256(f) for f in files if f.is_file()}
    covered = begun.checkpoint.checkpoint
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "origin": covered.origin,
        "size": covered.size,
        "root": covered.root.hex(),
        "event": begun.event,
        "since": None if since is None else str(since),
        "from_seq": begun.from_seq,
        "first_seq": begun.first_seq,
        "until_seq": covered.size,
        "counts": {
            "events": covered.size - begun.first_seq + 1,
            "bundles": tree.bundles,
            "hash_tiles": tree.tiles,
            "blobs": len(begun.blobs),
            "notes": len(begun.further),
        },
        "files": dict(sorted(listed.items())),
        "verify": HOW,
    }
    (part / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    return manifest


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
