"""The only place that judges a signed checkpoint: is it whole, whose is it, and who signed it."""

import base64
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from app.evidence.checkpoints import Checkpoint, CheckpointInvalid, SignedCheckpoint
from app.evidence.notes import NoteInvalid, VerifierKey
from app.evidence.sink_lines import checkpoint_line, note_of

_ALL: Final = 4_096
_SAMPLE: Final = 1_024  # a signature takes as long as ten events

_LINE: Final = re.compile(
    rb'\{"checkpoint":"([^"\\]+)\\n(0|[1-9][0-9]{0,18})\\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\\n\\n'
    rb'(?:\xe2\x80\x94 [^" \\]+ [A-Za-z0-9+/]+={0,2}\\n)+"\}\n'
).fullmatch


class Judged(NamedTuple):
    """A checkpoint that was read. `wrong` continues "the checkpoint of size 7 ...".

    `signed` is whether a known key's signature was checked and holds.
    """

    size: int
    root: bytes
    signed: bool = False
    wrong: str = ""


def judged(note: str, keys: Sequence[VerifierKey], size: int, *, verify: bool = True) -> Judged:
    """Judge the note that stands where the checkpoint over `size` events belongs."""
    try:
        if verify and keys:
            found = SignedCheckpoint.parse(note, *keys).checkpoint
        else:
            found = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
    except (NoteInvalid, CheckpointInvalid) as error:
        return Judged(size, b"", wrong=f"does not hold: {error}")
    if keys and found.origin != keys[0].name:
        return Judged(size, b"", wrong=f"is one of another log, {found.origin}")
    if found.size != size:
        return Judged(size, b"", wrong=f"is one of {found.size:,} events")
    return Judged(size, found.root, signed=verify and bool(keys))


def judged_line(
    line: bytes, keys: Sequence[VerifierKey], size: int, *, verify: bool = True
) -> Judged:
    """Judge a sink's line that stands behind event `size`."""
    if not verify and keys and (usual := _usual(line, keys[0].name, size)):
        return usual
    note = note_of(line)
    if note is None or not _is_written_so(line, note):
        return Judged(size, b"", wrong="is not written as one: the line was changed")
    return judged(note, keys, size, verify=verify)


def _usual(line: bytes, origin: str, size: int) -> Judged | None:
    """The same for a line as the server writes it, without its signatures: in a fifth of the time.

    None for any other line: that is looked at more closely.
    """
    found = _LINE(line)
    if found is None or found[1] != origin.encode() or int(found[2]) != size:
        return None
    return Judged(size, base64.b64decode(found[3]))


def _is_written_so(line: bytes, note: str) -> bool:
    try:
        return checkpoint_line(note) == line
    except UnicodeError:
        return False


def budget_for(count: int) -> int:
    """How many of `count` signatures of a kind are checked; what they sign is compared of all."""
    return count if count <= _ALL else _SAMPLE


def signatures_of_a_range(ranges: int) -> int:
    """How many are checked of a sink's part: all of most, of many parts about _SAMPLE together."""
    return max(8, min(_ALL, 64 * _SAMPLE // ranges**2))


def sampled(count: int, budget: int) -> set[int]:
    """Return which of `count` signatures are checked: all, or `budget` of them with the last."""
    if count <= budget:
        return set(range(count))
    step = count / budget
    return {int(place * step) for place in range(budget)} | {count - 1}
