"""Compares the database with what lies outside of it: sinks, the signer's memory, kept notes.

What lies outside is measured before the database is read: a server commits first, then signs, then
writes its sinks, so nothing outside can be ahead of a database that is looked at later.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.evidence.notes import VerifierKey
from app.evidence.verification.findings import Findings, Part
from app.evidence.verification.memory import Head, MemoryInvalid, read_memory
from app.evidence.verification.signatures import Judged, judged
from app.evidence.verification.sinks import Odd, SinkPart, measured
from app.evidence.verification.targets import Held, Target
from app.evidence.verification.trees import Claim

Progress = Callable[[int, int], None]
"""Events that are done, events there are."""

_TRIES: Final = 5
_WAIT_S: Final = 0.05
_ODD: Final = {
    Odd.OTHER: "has event {seq:,} otherwise than the database",
    Odd.ALTERED: "has a line in the place of event {seq:,} that is none: it was changed",
    Odd.MISSING: "lacks event {seq:,}, though later ones are there",
    Odd.EXTRA: "has a line before or behind event {seq:,} that does not belong there",
}


@dataclass(slots=True)
class Outside:
    """What was found outside. `sinks` are those that could be read, `head` the signer's memory."""

    sinks: list[SinkPart] = field(default_factory=list)
    head: Head | None = None
    notes: list[tuple[str, Judged]] = field(default_factory=list)
    """(where, checkpoint) of those that somebody kept"""


def look(target: Target, findings: Findings, unchecked: list[str]) -> Outside:
    outside = Outside()
    for path in target.sinks:
        try:
            outside.sinks.append(_settled(path))
        except OSError as error:
            findings.add(
                Part.SINK, 0, f"The sink {path} cannot be read: {error.strerror or error}."
            )
    if target.memory is not None:
        try:
            outside.head = read_memory(target.memory)
        except PermissionError:
            unchecked.append(
                f"The signer's memory {target.memory} may be read by the server's account only."
            )
        except OSError as error:
            why = error.strerror or error
            findings.add(Part.MEMORY, 0, f"The signer's memory cannot be read: {why}.")
        except MemoryInvalid as error:
            findings.add(Part.MEMORY, 0, f"The signer's memory {error}.")
    return outside


def _settled(path: Path) -> SinkPart:
    """A line without its end is one that is being written, unless it stays so."""
    for left in reversed(range(_TRIES)):
        part = measured(path)
        if not part.unfinished or not left:
            return part
        time.sleep(_WAIT_S)
    raise AssertionError("the last try returns")


def check_sinks(
    sinks: Sequence[SinkPart],
    reached: Mapping[int, int],
    odd: Sequence[tuple[int, int, Odd]],
    *,
    size: int,
    newest: int,
    findings: Findings,
) -> None:
    """`newest`: the database's newest checkpoint before the sinks were measured.

    `reached`: the size of each sink's last checkpoint.
    """
    for number, seq, how in odd:
        findings.add(Part.SINK, seq, f"The sink {sinks[number].path} {_ODD[how].format(seq=seq)}.")
    for number, sink in enumerate(sinks):
        _check_end(sink, reached.get(number, 0), size=size, newest=newest, findings=findings)


def _check_end(sink: SinkPart, reached: int, *, size: int, newest: int, findings: Findings) -> None:
    if sink.unfinished:
        findings.add(Part.SINK, sink.last, f"The sink {sink.path} ends inside a line.")
    if sink.last > size:
        findings.add(
            Part.SINK,
            sink.last,
            f"The sink {sink.path} has {sink.last:,} events and the database {size:,}: an older "
            "database was put back, or its end was cut off.",
        )
    elif sink.last < newest:
        findings.add(
            Part.SINK,
            sink.last,
            f"The sink {sink.path} ends with event {sink.last:,}, and {newest:,} events were "
            "signed: its end was cut off, or it has not caught up.",
        )
    elif reached < newest:
        findings.add(
            Part.SINK,
            reached,
            f"The sink {sink.path} has its last checkpoint at {reached:,}, and {newest:,} events "
            "were signed: lines at its end are missing.",
        )


def sizes(kept: Sequence[Held], head: Head | None) -> set[int]:
    """Return all sizes that claims can be of."""
    return {_size_in(held.note.text) for held in kept} | ({head.size} if head else set())


def check_head(
    head: Head, keys: Sequence[VerifierKey], *, size: int, signed: int, findings: Findings
) -> list[Claim]:
    """`signed`: the most events that any checkpoint from before the memory was read covers."""
    if head.damaged:
        findings.add(Part.MEMORY, head.size, f"The signer's memory {head.damaged}.")
    if keys and head.origin != keys[0].name:
        findings.add(Part.MEMORY, 0, f"The signer's memory is of another log, {head.origin}.")
    if keys and head.key_id not in {key.id.hex() for key in keys}:
        findings.add(
            Part.MEMORY, 0, f"The signer's memory names a key that is not known, {head.key_id}."
        )
    if head.size < signed:
        findings.add(
            Part.MEMORY,
            head.size,
            f"The signer's memory ends at {head.size:,} events, and {signed:,} were signed: an "
            "older memory was put back.",
        )
    if head.size > size:
        findings.add(
            Part.MEMORY,
            head.size,
            f"The signer has signed {head.size:,} events and the database has {size:,}: an older "
            "database was put back, or its end was cut off.",
        )
        return []
    return [Claim("the signer's memory", head.size, head.root, signed=False)]


def check_held(
    kept: Sequence[Held], keys: Sequence[VerifierKey], *, size: int, findings: Findings
) -> list[Claim]:
    """Return what the kept checkpoints claim; the strongest there is: nobody here could edit it."""
    claims = []
    for held in kept:
        found = judged(str(held.note), keys, _size_in(held.note.text))
        if found.wrong:
            findings.add(Part.CHECKPOINT, 0, f"The kept checkpoint {held.name} {found.wrong}.")
        elif found.size > size:
            findings.add(
                Part.CHECKPOINT,
                found.size,
                f"The kept checkpoint {held.name} covers {found.size:,} events, and there are "
                f"{size:,}: an older copy was put back, or its end was cut off.",
            )
        else:
            claims.append(Claim(held.name, found.size, found.root, signed=found.signed))
    return claims


def _size_in(text: str) -> int:
    lines = text.split("\n")
    digits = lines[1] if len(lines) > 1 else ""
    return int(digits) if digits.isdecimal() and len(digits) < 20 else 0
