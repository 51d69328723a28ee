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
    """A hard limit on a number, both ends included; null is no limit."""

    min: Number | None = None
    max: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySetting(Section):
    """One strategy. `version`: which one is compiled to. `enabled`: whether it may be used."""

    version: int = 1
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Section):
    """What intents say it with. `words`: phrases in lower case, with single spaces."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityVocabulary(Section):
    """How much is meant. `words`: phrases of each tier. `urgent`: phrases that make it high,
    whatever else is said. `default`: the tier where nothing is said."""

    words: Mapping[TierName, tuple[str, ...]]
    urgent: tuple[str, ...] = ()
    default: TierName = "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Section):
    """A phrase for membership: exactly one of the two names a set of domain.sets. `one_of`: met by
    what is in the set. `none_of`: met by what is not in it."""

    one_of: str | None = None
    none_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveGuide(Section):
    """What the document says of one thing that can be watched; what it is, is in the registry.

    `words`: phrases that name it. `worse`: on which side its numbers are bad. `preferred`:
    strategies that stand over the words of an intent, the best first. `discouraged`: strategies
    that no preference leads to. `bounds`: hard limits on the number that a severity sets, by
    strategy. `priors`: the number of each tier, by strategy; null is asked for. `windows`: how far
    back, by strategy, as in 15m, 24h or 30d. `terms`: phrases for membership in a set.
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
    """What a phrase of an intent says about how to judge: "rises" is a change, upwards.

    `strategy`: how. `direction`: on which side, in the strategy's own words; without it, the side
    on which the primitive is worse. `primitive`: what is watched where the intent names nothing:
    "unusually large models" is about their size.
    """

    strategy: str
    direction: str | None = None
    primitive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationContext(Section):
    """What the machine is for. `instructions`: sentences that bias rules look at. `preferred`:
    strategies for this application, the best first."""

    name: str = ""
    description: str = ""
    instructions: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences(Section):
    """Where neither the intent nor the primitive says how to judge. `preferred`: strategies to try,
    the best first. `discouraged`: strategies to pass over. `default`: the last resort."""

    preferred: tuple[str, ...] = ()
    discouraged: tuple[str, ...] = ()
    default: str = "threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults(Section):
    """Where a primitive has none of its own. `priors`: the number of each tier, by strategy.
    `windows`: how far back, by strategy."""

    priors: Mapping[str, Priors] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints(Section):
    """Hard limits. `on_bounds_exceeded`: what becomes of a prior outside its bounds; clamping never
    makes a rule more permissive, and what a user says is never clamped. `max_conditions`: how many
    conditions one intent may join. `disallowed_strategies`: never used. `disallowed_primitives`:
    never watched. `minimum_versions`: the oldest version of a strategy that may be used."""

    on_bounds_exceeded: Literal["clamp", "reject"] = "reject"
    max_conditions: int = 5
    disallowed_strategies: tuple[str, ...] = ()
    disallowed_primitives: tuple[str, ...] = ()
    minimum_versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Section):
    """Facts of this installation. `sets`: lists of texts in lower case, which terms name."""

    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Section):
    """A whole document: what intents may say, and what their words mean.

    `version`: of the form of this document. `name`: for people. `strategies`: which may be used.
    `type_compatibility`: which strategies may look at values of a type; it only narrows what there
    is. `parameters`: hard limits on strategies' parameters, windows in seconds; they only narrow.
    `actions`: words for what follows. `points`: words for the acts before which is asked.
    `primitives`: what can be watched. `mappings`: phrases for how to judge. `bias_rules`: phrases
    of the instructions, and by how many tiers they shift, -2 to 2: below zero is told earlier.
    """

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
    constraints: Constraints = field(default_factory=Constraints)
    domain: Domain = field(default_factory=Domain)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """A document that was read and checked. `hash`: SHA-256 (hex) of its normal form."""

    document: Document
    hash: str
