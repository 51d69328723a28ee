"""The grammar of intents: words whose meaning is the same under every document. Pure.

Comparators, windows, joining words, the names of strategies, and fillers, which mean nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.authority.guardrails.strategies.registry import STRATEGIES


class Kind(StrEnum):
    ACTION = "action"
    POINT = "point"
    PRIMITIVE = "primitive"
    TERM = "term"
    SEVERITY = "severity"
    URGENT = "urgent"
    MAPPING = "mapping"
    STRATEGY = "strategy"
    COMPARE = "compare"
    BY_MORE = "by more"
    NOT_STRICT = "not strict"
    RANK = "rank"
    USUAL = "usual"
    IS = "is"
    IS_NOT = "is not"
    ONE_OF = "one of"
    NONE_OF = "none of"
    WITHIN = "within"
    LASTING = "lasting"
    SCOPE = "scope"
    EACH = "each"
    EVERY = "every"
    AND = "and"
    OR = "or"
    UNLESS = "unless"
    NOT = "not"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    WHEN = "when"
    FILLER = "filler"
    QUANTITY = "quantity"
    QUOTED = "quoted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Meaning:
    """What a phrase stands for: `name` is an action's, a primitive's, a tier's, ..."""

    kind: Kind
    name: str = ""


_TABLE: Final[tuple[tuple[Kind, str, str], ...]] = (
    (
        Kind.COMPARE,
        "above",
        (
            "above|over|more than|greater than|larger than|bigger than|higher than|longer than|"
            "older than|exceeds|exceed|exceeding|in excess of|beyond|>"
        ),
    ),
    (
        Kind.COMPARE,
        "below",
        "below|under|less than|fewer than|smaller than|lower than|shorter than|<",
    ),
    (Kind.BY_MORE, "", "by more than|by over"),
    (
        Kind.NOT_STRICT,
        "",
        (
            "at least|at most|no more than|no less than|not more than|not less than|or more|"
            "or less|up to|no larger than|no bigger than|no smaller than|by at least|by at most|"
            ">=|<=|=>|=<"
        ),
    ),
    (Kind.RANK, "top", "in the top|among the top|within the top"),
    (Kind.RANK, "bottom", "in the bottom|among the bottom|within the bottom"),
    (Kind.USUAL, "0", "above the mean|above average|above the average|above its average"),
    (Kind.USUAL, "1", "below the mean|below average|below the average|below its average"),
    (Kind.USUAL, "2", "from the mean|from average|from the average|from its average"),
    (Kind.NOT_STRICT, "by", "by"),
    (
        Kind.IS,
        "",
        "is|are|was|were|been|stays|stay|remains|remain|becomes|become|gets|get",
    ),
    (Kind.IS_NOT, "", "is not|are not|isn't|aren't"),
    (Kind.ONE_OF, "", "is one of|are one of|one of|equals|equal to|is equal to|="),
    (Kind.NONE_OF, "", "is none of|are none of|none of|is not one of|are not one of"),
    (
        Kind.WITHIN,
        "",
        (
            "within|in the last|within the last|over the last|during the last|in the past|"
            "over the past|within the past|over a window of"
        ),
    ),
    (
        Kind.SCOPE,
        "all",
        (
            "overall|in total|altogether|over all models|of all models|for all models|"
            "across all models|all models together|of all models together|for all models together"
        ),
    ),
    (Kind.SCOPE, "model", "per model|by model|for each model|of each model|for every model"),
    (Kind.SCOPE, "actor", "per key|per actor|by key|for each key|of each key|for each actor"),
    (Kind.EACH, "model", "any one model|any single model|a single model|one model|some model"),
    (
        Kind.EACH,
        "actor",
        "somebody|someone|anybody|anyone|a key|any key|one key|a single key|any one key",
    ),
    (Kind.EVERY, "", "all|every|each"),
    (Kind.AND, "", "and|but|but only if|but only when|and only if|and only when"),
    (Kind.OR, "", "or"),
    (
        Kind.UNLESS,
        "",
        "unless|except|except when|except if|except for|but not|other than|apart from|excluding",
    ),
    (Kind.NOT, "", "not"),
    (Kind.OPEN, "", "("),
    (Kind.CLOSE, "", ")"),
    (Kind.COMMA, "", ","),
    (
        Kind.WHEN,
        "",
        (
            "when|whenever|if|while|whose|with|from|where|that|which|who|only when|only if|"
            "as soon as|in case"
        ),
    ),
    (
        Kind.FILLER,
        "",
        (
            "a|an|the|of|any|it|its|their|be|being|has|have|having|before|model|models|model's|me|us|"
            "on|about|then|please|using|there|number of|to|for|this|these|those|they|them|"
            "on this machine|of this machine|on the machine|of the machine"
        ),
    ),
)
_UNITS_OF_TIME: Final = (("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800))
_LASTS: Final = ("in the last", "within the last", "over the last", "in the past", "over the past")
OVER: Final = "over"
UNSAYABLE: Final = frozenset({"equals", "composite"})
"""Strategies that are not named in a text: `equals` compares, and `and` composes."""


def fixed() -> Iterator[tuple[str, Meaning]]:
    for kind, name, phrases in _TABLE:
        yield from ((phrase, Meaning(kind, name)) for phrase in phrases.split("|"))
    for unit, seconds in _UNITS_OF_TIME:
        for last in _LASTS:
            yield f"{last} {unit}", Meaning(Kind.LASTING, str(seconds))
        article = "an" if unit == "hour" else "a"
        for begun in ("within", "in", "during"):
            yield f"{begun} {article} {unit}", Meaning(Kind.LASTING, str(seconds))
    for name in sorted(set(STRATEGIES) - UNSAYABLE):
        for phrase in sorted({name, name.replace("_", " "), name.replace("_", "-")}):
            yield phrase, Meaning(Kind.STRATEGY, name)


COMPARES: Final = {phrase: each.name for phrase, each in fixed() if each.kind is Kind.COMPARE}
"""The comparators that say by themselves how two numbers are compared, and on which side."""

UNFINISHED: Final = ("than", "within", "for", *(p for p in _LASTS))
"""How a mapped phrase ends whose number follows it: "slower than 5", "not seen within 7 days"."""

IDLE: Final = frozenset({Kind.FILLER, Kind.WHEN})
"""Words that mean nothing by themselves: a document may give them a meaning."""

RESERVED: Final = frozenset(phrase for phrase, meaning in fixed() if meaning.kind not in IDLE)
"""Phrases of the grammar: a document that gives one another meaning makes intents unclear."""
