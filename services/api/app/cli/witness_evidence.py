"""The only place that keeps what a log was caught with: both notes, and the proof, as they came."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app import files
from app.evidence.checkpoints import Bundle, Checkpoint
from app.evidence.witnessing import WitnessRefused

EVIDENCE: Final = "evidence"
_LONGEST_NAME: Final = 120

_README: Final = """\
remembered.note   a checkpoint that this witness cosigned earlier
offered.note      a checkpoint of the same log that it was offered later
bundle            the offer as it came: the old size, the proof, the checkpoint
finding.json      what was found

Both notes carry the log's own signature (C2SP signed-note): check them with its verifier key. If
finding.json says "proven", they cannot both be of one log that only grows: either the sizes are
the same and the roots are not, or the proof in the bundle leads from other first events to the
offered root. Otherwise they are kept because no proof was given that the one contains the other.
"""


def folder_name(origin: str) -> str:
    """Return a file name for a log: legible, and another one for every origin."""
    name = quote(origin, safe="")
    if len(name) <= _LONGEST_NAME and name.strip("."):
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"


def keep(home: Path, bundle: Bundle, refused: WitnessRefused, *, now_s: int) -> Path | None:
    """Write the evidence and return where it is; None where nothing remembered is contradicted."""
    if refused.against is None:
        return None
    offered = Checkpoint.parse(bundle.note.text)
    evidence = home / EVIDENCE
    evidence.mkdir(mode=0o700, exist_ok=True)
    about = f"{folder_name(offered.origin)}-{offered.size}-"
    for kept in sorted(evidence.glob(f"{_literal(about)}*")):
        if _holds(kept, str(bundle)):
            return kept
    return _write(evidence, f"{about}{now_s}", _files(bundle, offered, refused, now_s))


def _files(
    bundle: Bundle, offered: Checkpoint, refused: WitnessRefused, now_s: int
) -> dict[str, str]:
    assert refused.against is not None
    remembered = refused.against.checkpoint
    finding = {
        "found": str(refused.reason),
        "proven": refused.proven,
        "says": refused.message,
        "time_s": now_s,
        "origin": offered.origin,
        "old": bundle.old,
        "remembered": {"size": remembered.size, "root": remembered.root.hex()},
        "offered": {"size": offered.size, "root": offered.root.hex()},
    }
    return {
        "remembered.note": str(refused.against.note),
        "offered.note": str(bundle.note),
        "bundle": str(bundle),
        "finding.json": json.dumps(finding, indent=2) + "\n",
        "README.txt": _README,
    }


def _write(evidence: Path, name: str, contents: dict[str, str]) -> Path:
    """All of it or nothing: a folder is renamed into its place when it is complete."""
    fresh = evidence / f".{name}.{os.getpid()}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    for file, content in contents.items():
        files.replace(fresh / file, content.encode())
    place, again = evidence / name, 1
    while place.exists():
        place, again = evidence / f"{name}-{again + 1}", again + 1
    fresh.rename(place)
    files.sync_folder(evidence)
    return place


def _holds(kept: Path, offered: str) -> bool:
    try:
        return (kept / "bundle").read_bytes() == offered.encode()
    except OSError:
        return False


def _literal(name: str) -> str:
    """`quote` leaves none of the characters that a pattern gives a meaning to; this says so."""
    assert not set(name) & set("*?[]")
    return name
