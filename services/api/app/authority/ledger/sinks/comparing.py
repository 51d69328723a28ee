"""What a sink's end means beside the database: a contradiction, a change to record, or neither."""

from pathlib import Path

from app.authority.ledger.sinks.tail import Tail
from app.authority.ledger.sinks.values import Known, SinkChange, SinkContradicts


def compare(tail: Tail, known: Known) -> None:
    """Raise SinkContradicts where the file knows more than the database, or something else."""
    newest = tail.newest.checkpoint if tail.newest else None
    more = max(newest.size if newest else 0, tail.size + tail.uncovered)
    if more > known.size:
        raise SinkContradicts(
            f"holds {more} events, the database {known.size}: the database was rolled back or "
            "rewritten, or the copy belongs to another one. Restore the database that it belongs "
            "to; only if you know that the copy is wrong, move it away and keep it."
        )
    if newest is not None and newest.root != known.root_at(newest.size):
        raise SinkContradicts(
            f"has a signed checkpoint over {newest.size} events, and the first {newest.size} of "
            f"the database's {known.size} have another root: the database was rewritten, or the "
            "copy belongs to another one. Keep both as evidence and restore a backup."
        )


def change_of(
    name: str, path: Path, tail: Tail | None, known: Known, *, required: bool
) -> SinkChange | None:
    """Return what the ledger should record about a file that was opened; pure."""
    if tail is None:
        return SinkChange(name, path, "missing" if known.size else "new", 0)
    if tail.damage:
        return SinkChange(name, path, "damaged", tail.size)
    if required and tail.size < known.size:
        return SinkChange(name, path, "behind", tail.size)
    return None
