"""Judges the sinks' checkpoints as ranges come in. A sink may have as many of them as events.

Of those whose root is the events' own only the last of a range are kept: they say all that the
others did.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.evidence.verification.findings import Findings, Part
from app.evidence.verification.results import Scanned
from app.evidence.verification.signatures import Judged
from app.evidence.verification.sinks import SinkPart
from app.evidence.verification.trees import Claim, Tree


@dataclass(slots=True)
class SinkNotes:
    """Per sink: how many checkpoints there are, whose signature was checked, the largest size."""

    sinks: Sequence[SinkPart]
    counts: Counter[int] = field(default_factory=Counter)
    verified: Counter[int] = field(default_factory=Counter)
    reached: Counter[int] = field(default_factory=Counter)
    claims: list[Claim] = field(default_factory=list)

    def take(self, scanned: Scanned, tree: Tree, findings: Findings) -> set[int]:
        """Take a range's checkpoints, whose tiles `tree` has; return the sizes that are kept."""
        roots = tree.next_roots({note.size for _, note in scanned.notes if not note.wrong}, scanned)
        kept: list[tuple[int, Judged]] = []
        right: dict[tuple[int, bool], Judged] = {}
        for number, note in scanned.notes:
            self.counts[number] += 1
            self.verified[number] += note.signed
            self.reached[number] = max(self.reached[number], note.size)
            if note.wrong:
                path = self.sinks[number].path
                findings.add(
                    Part.SINK,
                    note.size,
                    f"In the sink {path} the checkpoint behind event {note.size:,} {note.wrong}.",
                )
            elif roots[note.size] == note.root:
                right[number, note.signed] = note
            else:
                kept.append((number, note))
        kept += [(number, note) for (number, _), note in right.items()]
        self.claims += [
            Claim(f"the sink {self.sinks[number].path}", note.size, note.root, signed=note.signed)
            for number, note in kept
        ]
        return {note.size for _, note in kept}
