"""What is asked, what comes of it and what that is said with: values. Pure."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from app.authority.guardrails.sentences import failed
from app.authority.guardrails.strategies.base import Observation, Reason
from app.authority.guardrails.values import Action, Point

ALLOW: Final = "allow"
OUTCOMES: Final = (ALLOW, str(Action.ALERT), str(Action.REQUIRE_APPROVAL), str(Action.BLOCK))
"""From the freest to the strictest; the strictest that a met condition asks for is what follows."""

LONGEST: Final = 300


class Histories(Protocol):
    """What was observed."""

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        """Return those with ``since_us <= at_us < before_us``, oldest first."""

    def mark(self, series: str, since_us: int, before_us: int) -> Hashable:
        """Return what differs where those differ: cheap, for it is asked every time."""


class CannotRead(Exception):
    """A reading or a history that is not there; its text is what the record keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`subject` is what the act is about (a model's id, where it is about one); `actor` is who."""

    at_us: int
    point: Point
    subject: str = ""
    actor: str = ""


class Verdict(NamedTuple):
    """What one bound condition says.

    `key` is the model or actor it was asked of, as behind the ``@`` of a series; `measures` are
    its conditions', in the order they are written. `sentence` says why, where it was met;
    `explaining` says why for the others too.
    """

    task: str
    version: int
    binding_hash: str
    key: str
    action: Action
    triggered: bool
    reason: Reason | None
    measures: tuple[float | None, ...]
    sentence: str


ROW: Final = 8
"""How many fields of a verdict a record keeps: all but its sentence, which may be worded anew."""


class Failure(NamedTuple):
    """A bound condition that could not be evaluated."""

    task: str
    version: int
    binding_hash: str
    key: str
    action: Action
    why: str

    @property
    def sentence(self) -> str:
        return failed(self.task, self.version, self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """`record` holds all that it takes to decide again; `digest` is its SHA-256 (hex).

    `met`: those of `verdicts` that are triggered.
    """

    asked: Asked
    verdicts: tuple[Verdict, ...]
    met: tuple[Verdict, ...]
    failures: tuple[Failure, ...]
    outcome: str
    record: bytes
    digest: str

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(failure.sentence for failure in self.failures)


def outcome(point: Point, met: Sequence[Verdict], failures: Sequence[Failure]) -> str:
    """What follows from what was `met`, the triggered verdicts, and what could not be evaluated.

    An error blocks an act and alerts on the tick, whatever its rule asks for.
    """
    asked_for = {str(verdict.action) for verdict in met}
    if failures:
        asked_for.add(str(Action.ALERT if point is Point.TICK else Action.BLOCK))
    return max(asked_for, key=OUTCOMES.index, default=ALLOW)


def why(error: Exception) -> str:
    """Return what a record keeps of an exception: its kind and what it says, cut."""
    if isinstance(error, CannotRead):
        return str(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode()
