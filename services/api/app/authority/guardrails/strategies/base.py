"""What a strategy is: a versioned object that says when a condition is met. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol

from app.authority.guardrails.values import Parameters, Scalar, ValueType


class Reason(StrEnum):
    """Why a condition is not met, or met in a special way. Data quality is told from no match."""

    NULL_INPUT = "null_input"
    INSUFFICIENT_HISTORY = "insufficient_history"
    ZERO_VARIANCE = "zero_variance"
    THRESHOLD_ZERO = "threshold_zero"
    NO_MATCH = "no_match"
    CHANGE_FROM_ZERO = "change_from_zero"
    UNKNOWN_LABEL = "unknown_label"


DATA_QUALITY: Final = frozenset(
    {
        Reason.NULL_INPUT,
        Reason.INSUFFICIENT_HISTORY,
        Reason.ZERO_VARIANCE,
        Reason.UNKNOWN_LABEL,
    }
)
"""The data says neither yes nor no: recorded as not triggered, and passed on by composites."""


class Observation(NamedTuple):
    """One number of a series, in microseconds of UTC."""

    at_us: int
    value: float


class Reading(NamedTuple):
    """What was read; `value` None with the reason why."""

    value: Scalar | None
    reason: Reason | None = None


Summary = Mapping[str, int | float]
"""All of a history that a strategy's decision depends on: recorded instead of the history."""

NO_SUMMARY: Final[Summary] = MappingProxyType({})


class Result(NamedTuple):
    """`measure`: what was found beside the value itself: a z-score, a change, a percentile.

    What is not triggered has a reason always; what is triggered has one only where it is special.
    """

    triggered: bool
    reason: Reason | None = None
    measure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. Bounds are the widest that any document may allow.

    A `choice` named `direction` puts upwards first and downwards second; `any` is the third.
    `type` `duration` is a number of seconds; `texts` is a list of strings, and `ordered` says
    whether its order means something: one that does not is sorted before it is hashed.
    """

    type: Literal["number", "choice", "text", "texts", "boolean", "duration"]
    required: bool = True
    default: Scalar | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    ordered: bool = False
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is declared of a strategy. `level` is the parameter that a tier's prior sets.

    `summary_of`: the parameters that `summary` looks at. Over one history, as of one time, equal
    ones give equal summaries; ``()``: the strategy looks at no history. `steady`: the time itself
    changes nothing, so what was found holds for as long as the window holds the same observations.
    """

    name: str
    version: int
    input_types: frozenset[ValueType]
    output_type: ValueType = ValueType.DECISION
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    level: str | None = None
    summary_of: tuple[str, ...] = ()
    steady: bool = False
    meaning: str = ""


class Strategy(Protocol):
    """All comparisons are strict. `params` is complete and was checked against the signature."""

    @property
    def signature(self) -> Signature: ...

    def reach(self, params: Parameters, /) -> int:
        """How many seconds before an evaluation `summary` looks back; 0: at nothing."""

    def summary(self, history: Sequence[Observation], params: Parameters, at_us: int, /) -> Summary:
        """What `decide` needs of `history`, oldest first, as of `at_us`: later ones are not seen.

        Empty where the strategy looks at no history; ``{"n": n}`` alone where there is too little.
        """

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        """Whether the condition is met. Equal inputs give equal results on every machine."""

    def stricter(self, params: Parameters, /) -> Literal["lower", "higher"] | None:
        """On which side of its level the condition is met more often; None: it has no level."""

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """Why, for people: ``model size is 40.0 GB, above 20.0 GB``. No full stop.

        `unit` is the primitive's; `wording` says it. For whoever asks, not for the hot path.
        """
