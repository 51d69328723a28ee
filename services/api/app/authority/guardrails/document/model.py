"""What a guardrails document may say: one class for each section. Pure; nothing else may be said.

Sections that look things up by words are mappings from a phrase, so that their order never matters.
Order matters in `preferred` alone: what is preferred most comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Number = int | float
TierName = Literal["low", "medium", "high"]
Priors = Mapping[TierName, Number | None]
"""The value that each tier stands for; null: ask, never invent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Unknown keys are errors, and no value is converted to another type."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds(Section):
    """A hard limit on a number, both ends included; None is no limit."""

    min: Number | None = None
    max: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySetting(Section):
    """Which version of a strategy is compiled to, and whether it may be used at all."""

    version: int = 1
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Section):
    """The phrases that stand for something, in lower case, words separated by single spaces."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityVocabulary(Section):
    """`words`: phrases of each tier. `urgent`: phrases that make it high whatever else is said."""

    words: Mapping[TierName, tuple[str, ...]]
    urgent: tuple[str, ...] = ()
    default: TierName = "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Section):
    """A phrase for membership: exactly one of the two names a set of `domain.sets`."""

    one_of: str | None = None
    none_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveGuide(Section):
    """What the document says of one thing that can be watched; what it is, is in the registry.

    `worse`: on which side its numbers are bad. `bounds` (hard), `priors` and `windows` are by
    strategy; windows read `15m`, `24h`, `30d`. `terms`: phrases for membership in a set.
    """

    words: tuple[str, ...]
    worse: Literal["above", "below"] = "above"
    preferred: tuple[str, ...] = ()
    discouraged: tuple[str, ...] = ()
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    priors: Mapping[str, Priors] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, Term] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped(Section):
    """What a phrase of an intent says about the strategy: `rises` is a change, upwards."""

    strategy: str
    direction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationContext(Section):
    """What the machine is for. `instructions` are sentences that bias rules look at."""

    name: str = ""
    description: str = ""
    instructions: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences(Section):
    """Global preferences (source 5) and the last resort (source 6)."""

    preferred: tuple[str, ...] = ()
    discouraged: tuple[str, ...] = ()
    default: str = "threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults(Section):
    """Global priors and windows by strategy: where a primitive has none of its own."""

    priors: Mapping[str, Priors] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints(Section):
    """Hard limits. `on_bounds_exceeded` is about priors: what a user says is never clamped, and
    clamping never makes a rule more permissive: then it is rejected all the same."""

    on_bounds_exceeded: Literal["clamp", "reject"] = "reject"
    max_conditions: int = 5
    disallowed_strategies: tuple[str, ...] = ()
    disallowed_primitives: tuple[str, ...] = ()
    minimum_versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Section):
    """Facts of this installation that rules name: sets of strings."""

    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Section):
    """A whole document. `type_compatibility` and `parameters` may narrow what the registries in
    code allow, never widen it."""

    version: Literal[1]
    name: str = ""
    strategies: Mapping[str, StrategySetting]
    type_compatibility: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, Mapping[str, Bounds]] = field(default_factory=dict)
    severity: SeverityVocabulary
    actions: Mapping[Literal["alert", "require_approval", "block"], Words]
    points: Mapping[Literal["load", "pull", "delete", "purge", "rebind"], Words]
    primitives: Mapping[str, PrimitiveGuide]
    mappings: Mapping[str, Mapped] = field(default_factory=dict)
    application_context: ApplicationContext = field(default_factory=ApplicationContext)
    preferences: Preferences = field(default_factory=Preferences)
    defaults: Defaults = field(default_factory=Defaults)
    bias_rules: Mapping[str, int] = field(default_factory=dict)
    """A phrase of the instructions and the tiers that it shifts by, -2 to 2."""
    constraints: Constraints = field(default_factory=Constraints)
    domain: Domain = field(default_factory=Domain)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """A document that was read and checked. `hash`: SHA-256 (hex) of its normal form."""

    document: Document
    hash: str
