"""What guardrails are made of, as values: intents, conditions, definitions, traces. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Scalar = bool | int | float | str
Value = Scalar | tuple[str, ...]
Parameters = Mapping[str, Value]


class ValueType(StrEnum):
    """What a primitive yields. Compatibility with strategies is by this type: docs/decisions."""

    FLOAT = "float"
    INT = "int"
    FLOAT_SERIES = "time_series<float>"
    INT_SERIES = "time_series<int>"
    STRING = "string"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DECISION = "decision<boolean>"
    """What a condition yields: only `composite` takes it."""


class Tier(StrEnum):
    """How severe; in this order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Source(StrEnum):
    """Where a strategy or a parameter comes from; an earlier one stands over a later one."""

    USER_EXPLICIT = "user_explicit"
    PRIMITIVE_HINT = "primitive_hint"
    MAPPING_RULE = "mapping_rule"
    APPLICATION_CONTEXT = "application_context"
    GLOBAL_PREFERRED = "global_preferred"
    GLOBAL_DEFAULT = "global_default"


class Action(StrEnum):
    """What follows when a condition is met. There is none that allows: guardrails only tighten."""

    ALERT = "alert"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"


class Point(StrEnum):
    """Where conditions are asked: before an act, or on a tick for what happens over time."""

    LOAD = "load"
    PULL = "pull"
    DELETE = "delete"
    PURGE = "purge"
    REBIND = "rebind"
    TICK = "tick"


class Scope(StrEnum):
    """Whether one number is watched, or one for each model or key."""

    ALL = "all"
    MODEL = "model"
    ACTOR = "actor"


class Operator(StrEnum):
    AND = "AND"
    OR = "OR"
    NOT = "NOT"


# --- what somebody wants --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing to watch, as said: only what was said is set.

    `strategy` and `params` were named by the user and are never biased. `severity` holds the
    severity words, `mapping` the mapped phrase ("rises"), `term` the phrase of the primitive's
    terms ("unknown sources"). `implied_by`: what says which primitive is meant where the intent
    does not name it, as `mappings/large/primitive`.
    """

    primitive: str
    scope: Scope = Scope.ALL
    strategy: str | None = None
    params: Parameters = field(default_factory=dict)
    severity: tuple[str, ...] = ()
    mapping: str | None = None
    term: str | None = None
    implied_by: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The condition of a definition that there is, by its id and version."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Combined:
    """AND and OR have at least two operands, NOT has one."""

    operator: Operator
    operands: tuple["Expression", ...]


Expression = Clause | Combined | Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """`text` is kept as it was said; it is empty for a definition that was given as structure."""

    text: str
    action: Action
    points: tuple[Point, ...]
    when: Expression


# --- what it was compiled to ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One strategy over one primitive. `params` is complete: nothing is filled in later."""

    primitive: str
    primitive_version: int
    scope: Scope
    strategy: str
    strategy_version: int
    params: Parameters


@dataclass(frozen=True, slots=True)
class Composite:
    operator: Operator
    operands: tuple["Condition", ...]
    version: int = 1
    """Of the strategy `composite`."""


Condition = Leaf | Composite | Reference


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one source would have chosen; `strategy` None: it had nothing to say."""

    source: Source
    strategy: str | None
    won: bool
    why: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where one parameter's value comes from."""

    name: str
    value: Value
    source: Source
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Severity:
    """The tier of a clause, and what moved it.

    `bias` is `none` (no rule matched), `shifted`, `clamped` or `neutralised` (rules matched and
    cancelled each other), `explicit` where the user's number stands and nothing is looked up.
    """

    words: tuple[str, ...]
    said: Tier
    shifts: Mapping[str, int]
    bias: str
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseTrace:
    """Why one clause became what it became. `path` is its place: `when`, `when.1`, `when.0.1`.

    `implied_by`: what says what is watched, where the intent does not name it.
    """

    path: str
    candidates: tuple[Candidate, ...]
    severity: Severity
    parameters: tuple[Chosen, ...]
    implied_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """`reads`: every key of the document that was looked up, there or not, as `a/b/c`.

    `words`: the intent's words as the compiler reads them, joined by single spaces: whether a
    phrase of the document's vocabulary concerns the intent is whether it occurs in them.
    """

    clauses: tuple[ClauseTrace, ...]
    reads: frozenset[str]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What an intent means under one document."""

    intent: Intent
    condition: Condition
    trace: Trace
    guardrails: str
    """SHA-256 of the document's normal form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A resolution with a name: immutable. `ir` is `app.authority.guardrails.ir`'s graph."""

    id: str
    version: int
    resolution: Resolution
    ir_hash: str
    binding_hash: str

    @property
    def pinned(self) -> Reference:
        return Reference(self.id, self.version)


SOURCES: Final = tuple(Source)
TIERS: Final = tuple(Tier)
