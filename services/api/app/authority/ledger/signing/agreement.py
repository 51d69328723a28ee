"""The only place that compares what the signer remembers with a database.

A database that was restored, cut, rewritten or grown apart shows here, whatever it says about
itself: the signer's memory is not in it.
"""

from collections.abc import Callable
from typing import Final, Protocol

from app.authority.ledger.signing.files import NO_RECOVERY
from app.domain.refusals import StartRefused

_SHORT: Final = 16


class Head(Protocol):
    """The head that was signed last."""

    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes: ...


def agrees(signer: Head, size_in_db: int, root_at: Callable[[int], bytes]) -> None:
    """Raise StartRefused unless the database begins with everything the signer has signed.

    `root_at(size)` is the root over the database's first `size` events. A database that has more
    events than were signed passes: those are the caller's to judge.
    """
    if size_in_db < signer.size:
        raise StartRefused(
            f"The database is older than what this server has signed: it ends at {size_in_db} "
            f"events (root {_short(root_at(size_in_db))}), and {signer.size} were signed (root "
            f"{_short(signer.root)}). An older copy was put back, or its end was cut off. "
            f"{_remedy(signer)}",
            details={"reason": "rolled_back", "size": size_in_db, "signed": signer.size},
        )
    found = root_at(signer.size)
    if found != signer.root:
        raise StartRefused(
            f"The database is not the one this server has signed: its first {signer.size} events "
            f"have the root {_short(found)}, and the root {_short(signer.root)} was signed. Events "
            f"were rewritten, or this is a copy that went its own way. {_remedy(signer)}",
            details={"reason": "different", "size": size_in_db, "signed": signer.size},
        )


def _remedy(signer: Head) -> str:
    return (
        "Keep a copy of this lmx.db as evidence, and put back the database that has all "
        f"{signer.size} events. {NO_RECOVERY}"
    )


def _short(root: bytes) -> str:
    return root.hex()[:_SHORT]
