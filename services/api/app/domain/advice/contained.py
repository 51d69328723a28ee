"""What comes of running an advisor behind its walls: whatever it wrote, and what it tried. Pure."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Wall:
    """One thing that keeps an advisor in. `why`: why it does not stand on this machine."""

    name: str
    stands: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """Something an advisor tried and was kept from: `what` it was (import, open, connect, start,
    memory, time, output, garbage, ...), about `which` thing; untrusted text, cut short."""

    what: str
    which: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child is told to do. `advisor`: one of its names. `snapshot`: JSON, for `advise` and
    for a replay of the recorded month. `month`, `seed`: for `replay`."""

    do: Literal["advise", "replay", "look"]
    advisor: str = ""
    snapshot: bytes | None = None
    month: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`proposals`: JSON as the child wrote it, untrusted. `report`: likewise, of a replay.

    `ended`: empty where it ended well, else why not, in words. Nothing here raises: a child that
    breaks out in errors is an outcome too.
    """

    proposals: tuple[bytes, ...] = ()
    report: bytes | None = None
    tried: tuple[Tried, ...] = ()
    walls: tuple[Wall, ...] = ()
    ended: str = ""
    questions: int = 0
    elapsed_ms: int = 0
    cpu_ms: int = 0
    peak_bytes: int = 0
    described: tuple[tuple[str, str, str], ...] = field(default=())
    """Of `look`: each advisor's name, what it assumes, how it states confidence."""
