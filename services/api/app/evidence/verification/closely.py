"""Goes through one tile event by event and says what is wrong: the long way, taken when needed."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.evidence.indexing import COLUMNS, index_row
from app.evidence.merkle import leaf_hash
from app.evidence.tiles import WIDTH
from app.evidence.verification.bodies import BodyInvalid, examined
from app.evidence.verification.findings import Findings, Part
from app.evidence.verification.quick import EventRow
from app.evidence.verification.results import NOTHING, Scanned

_IndexRows = dict[int, tuple[Any, ...]]


def looked_at(
    first: int,
    last: int,
    events: Sequence[EventRow],
    index: Sequence[tuple[Any, ...]],
    *,
    indexed: int,
    result: Scanned,
) -> tuple[list[bytes], list[bytes] | None]:
    """Return the leaves of events `first` to `last` from the bodies, and as they are recorded.

    The second is None where both are the same. What is wrong goes into `result`.
    """
    by_seq = {row[0]: row for row in index}
    leaves: list[bytes] = []
    recorded: list[bytes] = []
    expected = first
    for seq, event_id, body, leaf in events:
        leaves += _gap(expected, seq, result)
        recorded += [NOTHING] * (seq - expected)
        digest = leaf_hash(_bytes(body))
        if digest != leaf:
            result.mismatched.append(seq)
        leaves.append(digest)
        recorded.append(_bytes(leaf))
        try:
            fields = examined(_bytes(body), seq, event_id)
        except BodyInvalid as error:
            result.findings.add(Part.EVENT, seq, f"Event {seq:,} {error}.")
            by_seq.pop(seq, None)
        else:
            _compare(seq, fields, by_seq, indexed, result.findings)
        expected = seq + 1
    leaves += _gap(expected, last + 1, result)
    recorded += [NOTHING] * (last + 1 - expected)
    for seq in sorted(by_seq):
        result.findings.add(
            Part.INDEX, seq, f"The index has event {seq:,}, which the log does not have."
        )
    return leaves, recorded if recorded != leaves else None


def _gap(expected: int, seq: int, result: Scanned) -> list[bytes]:
    if expected == seq:
        return []
    which = f"Event {expected:,} is"
    if seq - expected > 1:
        which = f"Events {expected:,} to {seq - 1:,} are"
    result.findings.add(Part.EVENT, expected, f"{which} missing from the database.")
    result.missing.add((expected - 1) // WIDTH)
    return [NOTHING] * (seq - expected)


def _compare(
    seq: int, fields: Mapping[str, Any], rows: _IndexRows, indexed: int, findings: Findings
) -> None:
    row = rows.pop(seq, None)
    if row is None:
        if seq <= indexed:
            findings.add(Part.INDEX, seq, f"The index lacks event {seq:,}, which the log has.")
        return
    try:
        expected = index_row(fields)
    except (KeyError, TypeError, AttributeError):
        findings.add(Part.EVENT, seq, f"Event {seq:,} holds data that cannot be indexed.")
        return
    if row == expected:
        return
    pairs = zip(COLUMNS, row, expected, strict=True)
    column, found, true = next(pair for pair in pairs if pair[1] != pair[2])
    findings.add(
        Part.INDEX,
        seq,
        f"The index was altered: of event {seq:,} it has {column} {str(found)[:60]!r}, "
        f"the event itself has {str(true)[:60]!r}.",
    )


def _bytes(value: object) -> bytes:
    """A database whose types were tampered with may give back anything."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
