"""What goes into a sink, what comes back, and how a sink fails. Values only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self

from app.evidence.notes import Note, VerifierKey

Bodies = Callable[[int, int], Iterable[bytes]]
"""(first seq, last seq) -> the events' canonical bytes, both included. Called on any thread."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a sink is compared with when it is opened: the database's size and roots, the keys."""

    size: int
    root_at: Callable[[int], bytes]
    """Called on any thread."""
    keys: tuple[VerifierKey, ...]

    def grown(self, size: int) -> Self:
        return replace(self, size=max(size, self.size))

    def trusting(self, keys: Sequence[VerifierKey]) -> Self:
        return replace(self, keys=tuple(keys))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A sink is to hold the first `size` events and this note over them."""

    size: int
    note: Note
    bodies: Bodies


@dataclass(frozen=True, slots=True)
class SinkChange:
    """What was found when a sink was opened and belongs into the ledger.

    new: no file, nor any event yet. missing: no file, or an empty one, though there are events.
    behind: a required sink holds fewer events than the database; a crash leaves it one group
    behind. damaged: it holds lines that this program did not write, or that a power failure spoilt.
    `had` is the number of events it held under a checkpoint.
    """

    name: str
    path: Path
    reason: Literal["new", "missing", "behind", "damaged"]
    had: int


@dataclass(frozen=True, slots=True)
class SinkState:
    """A sink for the status page; `lag` is how many events it lacks, `why` is empty while ok."""

    name: str
    path: Path
    required: bool
    size: int
    lag: int
    ok: bool
    why: str


class SinkFailed(Exception):
    """A sink did not take what it was given; the message says why and what to do.

    `reason` names the error of the server's own volume (ENOSPC), and is empty for anything else.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class SinkContradicts(SinkFailed):
    """A sink and the database cannot both be right."""


class Sink(Protocol):
    """Begin and finish are called in turn by one thread; `size` and `why` by any."""

    name: str
    required: bool

    @property
    def path(self) -> Path: ...

    @property
    def size(self) -> int:
        """How many events it holds under a checkpoint."""

    @property
    def why(self) -> str:
        """Why it is not ok; empty while it is."""

    def open(self, known: Known) -> SinkChange | None:
        """Raise SinkFailed where it cannot be opened, SinkContradicts where it must not be."""

    def trust(self, keys: Sequence[VerifierKey]) -> None:
        """These are the log's keys from now on."""

    def begin(self, delivery: Delivery) -> None:
        """Start with a delivery where that can be done at the same time as others."""

    def finish(self) -> None:
        """Return when the delivery is durable, or raise SinkFailed."""

    def changes(self) -> list[SinkChange]:
        """Return, once, what was found since `open`."""

    def close(self) -> None: ...
