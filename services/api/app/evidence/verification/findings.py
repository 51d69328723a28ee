"""What a verification found, what it could not look at, and the verdict. Pure.

Every finding says in one sentence which part of the ledger is wrong and how; the verdict says
exactly what holds, under which checkpoint, and what no checkpoint covers yet.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

SHOWN: Final = 50
"""Findings that are kept in full; the others are counted."""


class Part(StrEnum):
    """What a finding is about, in the order in which a verification goes through it."""

    DATABASE = "database"
    GUARDS = "guards"
    EVENT = "event"
    NODE = "node"
    CHECKPOINT = "checkpoint"
    COMMIT = "commit"
    SINK = "sink"
    MEMORY = "memory"
    COSIGNATURE = "cosignature"
    EVIDENCE = "evidence"
    INDEX = "index"
    EXPORT = "export"


_FEW: Final = 4
_ORDER: Final = {part: place for place, part in enumerate(Part)}


@dataclass(frozen=True, slots=True)
class Finding:
    """`at`: the event's number, the checkpoint's size, or 0 where neither is meant."""

    part: Part
    at: int
    sentence: str


@dataclass(slots=True)
class Findings:
    """Findings as they come in. Only the first of each part are kept, all are counted."""

    kept: list[Finding] = field(default_factory=list)
    counts: dict[Part, int] = field(default_factory=dict)

    def add(self, part: Part, at: int, sentence: str) -> None:
        seen = self.counts.get(part, 0)
        self.counts[part] = seen + 1
        if seen < SHOWN:
            self.kept.append(Finding(part, at, sentence))

    def take(self, other: "Findings") -> None:
        for found in other.kept:
            if sum(1 for kept in self.kept if kept.part is found.part) < SHOWN:
                self.kept.append(found)
        for part, count in other.counts.items():
            self.counts[part] = self.counts.get(part, 0) + count

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def of(self, part: Part) -> int:
        return self.counts.get(part, 0)

    def first(self) -> tuple[Finding, ...]:
        """Return at most SHOWN, in the order of the parts and of the events.

        A few of every part come first, so that a thousand of one do not hide the one of another.
        """
        ordered = sorted(self.kept, key=lambda found: (_ORDER[found.part], found.at))
        seen, few, rest = Counter[Part](), list[Finding](), list[Finding]()
        for found in ordered:
            seen[found.part] += 1
            (few if seen[found.part] <= _FEW else rest).append(found)
        return tuple(found for found in ordered if found in {*few, *rest[: SHOWN - len(few)]})


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a verification.

    The first `covered` events are under a signed checkpoint whose root is `root`; `size` is how
    many there are. `checked` and `unchecked` say what was looked at and what could not be.
    """

    what: str
    size: int
    covered: int
    root: bytes
    findings: tuple[Finding, ...]
    count: int
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.count == 0

    @property
    def uncovered(self) -> int:
        return self.size - self.covered

    @property
    def verdict(self) -> str:
        if not self.holds:
            return f"DOES NOT HOLD: {_counted(self.count, 'finding')} in {self.what}."
        if self.size == 0:
            return f"{self.what} has no events."
        if self.covered == 0:
            return f"{self.what} agrees with itself, but no signed checkpoint covers any event."
        return (
            f"{_counted(self.covered, 'event')} hold under the checkpoint of size "
            f"{self.covered:,} (root {self.root.hex()})."
        )

    @property
    def not_covered(self) -> str | None:
        """Events that are there and intact as far as can be seen, which nobody has signed for."""
        if self.uncovered <= 0:
            return None
        first = self.covered + 1
        which = f"Event {first:,}" if first == self.size else f"Events {first:,} to {self.size:,}"
        verb = "is" if first == self.size else "are"
        return f"{which} {verb} not covered by a checkpoint yet."

    def as_dict(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "what": self.what,
            "size": self.size,
            "covered": self.covered,
            "root": self.root.hex(),
            "uncovered": self.uncovered,
            "verdict": self.verdict,
            "findings": [
                {"part": str(found.part), "at": found.at, "sentence": found.sentence}
                for found in self.findings
            ],
            "findings_total": self.count,
            "checked": list(self.checked),
            "unchecked": list(self.unchecked),
        }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
