"""What ledgers that a test left open hold: a process that has ended holds nothing any more."""

import os
from contextlib import suppress
from pathlib import Path

_OPEN = Path("/proc/self/fd")
_OF_LEDGERS = frozenset({"signer", "events.jsonl"})


def of_ledgers(under: Path | None = None) -> set[int]:
    """Descriptors of signers' memories and of copies; none where the system does not tell."""
    found = set()
    for entry in list(_OPEN.iterdir()) if _OPEN.is_dir() else ():
        with suppress(OSError):  # the listing's own is closed by now
            path = Path(str(entry.readlink()).removesuffix(" (deleted)"))
            if path.name in _OF_LEDGERS and (under is None or path.is_relative_to(under)):
                found.add(int(entry.name))
    return found


def let_go(descriptors: set[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
