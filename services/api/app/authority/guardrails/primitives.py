"""Everything that a guardrail can watch: one table. Pure.

A document (`config/guardrails.yaml`) says which words stand for a primitive and which numbers are
much; what a primitive is, where it can be read and of what type it is stands here alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.authority.guardrails.values import Point, Scope, ValueType

Unit = Literal[
    "", "bytes", "ratio", "days", "seconds", "per hour", "requests", "tokens per second", "events"
]

SERIES: Final = frozenset({ValueType.FLOAT_SERIES, ValueType.INT_SERIES})
NUMBERS: Final = frozenset({ValueType.FLOAT, ValueType.INT})
WORDS: Final = frozenset({ValueType.STRING, ValueType.CATEGORICAL})

_EVERYWHERE: Final = tuple(Point)
_ALL: Final = (Scope.ALL,)
_BY_MODEL: Final = (Scope.ALL, Scope.MODEL)
_BY_ACTOR: Final = (Scope.ALL, Scope.ACTOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One thing that can be watched.

    `points`: where it can be read, in the order of `Point`. `about_subject`: it is a fact about
    what the act is about (or who asks), read at the act; otherwise it is a number of the whole
    system, sampled on the tick. `labels`: every value of a categorical. `lower_case`: it is read
    in lower case, since who states it means the same by `MIT` and `mit`. `source`: where from.
    The history of a series is what was sampled; of any other, what was read at earlier decisions.
    """

    name: str
    type: ValueType
    meaning: str
    source: str
    points: tuple[Point, ...]
    unit: Unit = ""
    scopes: tuple[Scope, ...] = _ALL
    labels: tuple[str, ...] = ()
    about_subject: bool = True
    lower_case: bool = False
    version: int = 1

    @property
    def is_series(self) -> bool:
        return self.type in SERIES


def _series(
    name: str,
    type: ValueType,  # noqa: A002 - the field's name
    unit: Unit,
    meaning: str,
    source: str,
    *,
    scopes: tuple[Scope, ...] = _ALL,
) -> Primitive:
    """A number of the whole system: sampled on every tick, readable at every point."""
    return Primitive(
        name=name,
        type=type,
        unit=unit,
        meaning=meaning,
        source=source,
        points=_EVERYWHERE,
        scopes=scopes,
        about_subject=False,
    )


_SUBJECT: Final = (
    Primitive(
        name="model_size",
        type=ValueType.INT,
        unit="bytes",
        meaning="How many bytes the model's files have.",
        source="the catalogue; before a pull, what the hub says",
        points=(Point.LOAD, Point.PULL, Point.DELETE),
    ),
    Primitive(
        name="model_memory",
        type=ValueType.INT,
        unit="bytes",
        meaning="How much memory the model is estimated to need with its context.",
        source="feasibility",
        points=(Point.LOAD,),
    ),
    Primitive(
        name="model_memory_share",
        type=ValueType.FLOAT,
        unit="ratio",
        meaning="The model's estimated memory as a part of this machine's memory.",
        source="feasibility",
        points=(Point.LOAD,),
    ),
    Primitive(
        name="model_format",
        type=ValueType.CATEGORICAL,
        meaning="The format of the model's weights.",
        source="the catalogue; before a pull, the names of the files on the hub",
        points=(Point.LOAD, Point.PULL),
        labels=("safetensors", "gguf", "other"),
    ),
    Primitive(
        name="model_licence",
        type=ValueType.STRING,
        meaning="The licence that the model's author claims, in lower case; nobody checks it.",
        source="the card or header that came with the model; before a pull, what the hub says",
        points=(Point.LOAD, Point.PULL),
        lower_case=True,
    ),
    Primitive(
        name="model_quantization",
        type=ValueType.STRING,
        meaning="How the model's weights are quantised, in lower case: 4bit, q4_k_m, none.",
        source="the catalogue; before a pull, the headers on the hub",
        points=(Point.LOAD, Point.PULL),
        lower_case=True,
    ),
    Primitive(
        name="model_publisher",
        type=ValueType.STRING,
        meaning="The part of the model's id before the slash, in lower case.",
        source="the model's id",
        points=(Point.LOAD, Point.PULL, Point.DELETE),
        lower_case=True,
    ),
    Primitive(
        name="model_source",
        type=ValueType.CATEGORICAL,
        meaning="How the model came onto this machine.",
        source="the catalogue",
        points=(Point.LOAD, Point.DELETE),
        labels=("shipped", "imported", "adopted", "hub"),
    ),
    Primitive(
        name="model_trust",
        type=ValueType.CATEGORICAL,
        meaning="Whether the model's digests are known beforehand, pinned here, or in doubt.",
        source="the catalogue",
        points=(Point.LOAD,),
        labels=("verified", "pinned", "quarantined"),
    ),
    Primitive(
        name="days_since_verified",
        type=ValueType.FLOAT,
        unit="days",
        meaning="How long ago the model's files were last hashed and compared.",
        source="the catalogue",
        points=(Point.LOAD,),
    ),
    Primitive(
        name="on_demand",
        type=ValueType.BOOLEAN,
        meaning="Whether a request caused the load, and nobody asked for it.",
        source="the load",
        points=(Point.LOAD,),
    ),
    Primitive(
        name="bytes_freed",
        type=ValueType.INT,
        unit="bytes",
        meaning="How many bytes of disk the act frees.",
        source="the act's preview",
        points=(Point.DELETE, Point.PURGE),
    ),
    Primitive(
        name="irreversible",
        type=ValueType.BOOLEAN,
        meaning="Whether the act cannot be undone.",
        source="the act's preview",
        points=(Point.DELETE, Point.PURGE),
    ),
    Primitive(
        name="actor",
        type=ValueType.STRING,
        meaning="Who asks.",
        source="the key of the request",
        points=(Point.LOAD, Point.PULL, Point.DELETE, Point.PURGE, Point.REBIND),
    ),
)

_SYSTEM: Final = (
    _series(
        "memory_pressure",
        ValueType.FLOAT_SERIES,
        "ratio",
        "How much of this machine's memory is in use.",
        "the operating system",
    ),
    _series(
        "memory_headroom",
        ValueType.INT_SERIES,
        "bytes",
        "How much memory may still be given to models.",
        "feasibility",
    ),
    _series(
        "load_failures",
        ValueType.INT_SERIES,
        "per hour",
        "Loads that failed within the last hour.",
        "the ledger",
        scopes=_BY_MODEL,
    ),
    _series(
        "evictions",
        ValueType.INT_SERIES,
        "per hour",
        "Models unloaded within the last hour to make room for others.",
        "the ledger",
        scopes=_BY_MODEL,
    ),
    _series(
        "queue_depth",
        ValueType.INT_SERIES,
        "requests",
        "Requests that wait for a model.",
        "the scheduler",
    ),
    _series(
        "latency",
        ValueType.FLOAT_SERIES,
        "seconds",
        "How long 95 of 100 requests of the last five minutes took at most.",
        "finished requests",
        scopes=_BY_MODEL,
    ),
    _series(
        "tokens_per_second",
        ValueType.FLOAT_SERIES,
        "tokens per second",
        "How fast models generated within the last five minutes.",
        "finished requests",
        scopes=_BY_MODEL,
    ),
    _series(
        "error_rate",
        ValueType.FLOAT_SERIES,
        "ratio",
        "The part of the last hour's requests that failed.",
        "finished requests",
        scopes=tuple(Scope),
    ),
    _series(
        "blocked_attempts",
        ValueType.INT_SERIES,
        "per hour",
        "Acts and requests that the authority refused within the last hour.",
        "the ledger",
        scopes=_BY_ACTOR,
    ),
    _series(
        "deletes_asked",
        ValueType.INT_SERIES,
        "per hour",
        "Deletions asked for within the last hour.",
        "the ledger",
        scopes=_BY_ACTOR,
    ),
    _series(
        "approvals_pending",
        ValueType.INT_SERIES,
        "requests",
        "Asks that nobody has decided yet.",
        "the approvals",
    ),
    _series(
        "sink_lag",
        ValueType.INT_SERIES,
        "events",
        "Events of the ledger that have not reached its sink.",
        "the ledger's sinks",
    ),
)

PRIMITIVES: Final[Mapping[str, Primitive]] = {each.name: each for each in (*_SUBJECT, *_SYSTEM)}
