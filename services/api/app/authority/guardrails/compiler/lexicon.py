"""Which phrases intents are written in: a fixed table for grammar, the document for all else. Pure.

The longest phrase wins. What a document says of a word goes before its being a filler; any other
double meaning is left to whoever reads the clause, who asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.authority.guardrails.compiler.words import Quantity, Word, quantity_at
from app.authority.guardrails.document.model import Document, Guardrails
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


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of an intent. Several meanings: it is not decided yet which."""

    text: str
    where: str
    meanings: tuple[Meaning, ...]
    quantity: Quantity | None = None

    @property
    def kind(self) -> Kind:
        """Of the first meaning: what is asked after a document's phrases only where there is one."""
        return self.meanings[0].kind

    def has(self, *kinds: Kind) -> bool:
        return any(meaning.kind in kinds for meaning in self.meanings)


_TABLE: Final[tuple[tuple[Kind, str, str], ...]] = (
    (
        Kind.COMPARE,
        "above",
        "above|over|more than|greater than|larger than|bigger than|higher than|longer than|"
        "older than|exceeds|exceed|exceeding|>",
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
        "at least|at most|no more than|no less than|not more than|not less than|or more|or less|"
        "up to|by at least|by at most|>=|<=|=>|=<",
    ),
    (Kind.RANK, "top", "in the top|among the top|within the top"),
    (Kind.RANK, "bottom", "in the bottom|among the bottom|within the bottom"),
    (Kind.USUAL, "0", "above the mean|above average|above the average|above its average"),
    (Kind.USUAL, "1", "below the mean|below average|below the average|below its average"),
    (Kind.USUAL, "2", "from the mean|from average|from the average|from its average"),
    (Kind.IS, "", "is|are|was|were"),
    (Kind.IS_NOT, "", "is not|are not|isn't|aren't"),
    (Kind.ONE_OF, "", "is one of|are one of|one of|equals|equal to|is equal to|="),
    (Kind.NONE_OF, "", "is none of|are none of|none of|is not one of|are not one of|not one of|!="),
    (
        Kind.WITHIN,
        "",
        "within|in the last|within the last|over the last|during the last|in the past|"
        "over the past|over a window of",
    ),
    (Kind.SCOPE, "model", "per model|for each model|of each model"),
    (Kind.SCOPE, "actor", "per key|per actor|for each key|of each key|for each actor"),
    (Kind.AND, "", "and"),
    (Kind.OR, "", "or"),
    (Kind.UNLESS, "", "unless"),
    (Kind.NOT, "", "not"),
    (Kind.OPEN, "", "("),
    (Kind.CLOSE, "", ")"),
    (Kind.COMMA, "", ","),
    (Kind.WHEN, "", "when|whenever|if|while|whose|with|from|where|that|which"),
    (
        Kind.FILLER,
        "",
        "a|an|the|of|any|it|its|their|be|being|has|have|having|before|model|models|model's|me|on|"
        "then|please|using|there",
    ),
)
_UNITS_OF_TIME: Final = (("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800))
_LASTS: Final = ("in the last", "within the last", "over the last", "in the past", "over the past")
OVER: Final = "over"
UNSAYABLE: Final = frozenset({"equals", "composite"})
"""Strategies that are not named in a text: `equals` compares, and `and` composes."""

Phrases = Mapping[tuple[str, ...], tuple[Meaning, ...]]


def _fixed() -> Iterator[tuple[str, Meaning]]:
    for kind, name, phrases in _TABLE:
        yield from ((phrase, Meaning(kind, name)) for phrase in phrases.split("|"))
    for unit, seconds in _UNITS_OF_TIME:
        for last in _LASTS:
            yield f"{last} {unit}", Meaning(Kind.LASTING, str(seconds))
        article = "an" if unit == "hour" else "a"
        yield f"within {article} {unit}", Meaning(Kind.LASTING, str(seconds))
    for name in sorted(set(STRATEGIES) - UNSAYABLE):
        for phrase in sorted({name, name.replace("_", " "), name.replace("_", "-")}):
            yield phrase, Meaning(Kind.STRATEGY, name)


def _said_by(document: Document) -> Iterator[tuple[str, Meaning]]:
    for action, said in document.actions.items():
        yield from ((phrase, Meaning(Kind.ACTION, action)) for phrase in said.words)
    for point, said in document.points.items():
        yield from ((phrase, Meaning(Kind.POINT, point)) for phrase in said.words)
    for name, guide in document.primitives.items():
        yield from ((phrase, Meaning(Kind.PRIMITIVE, name)) for phrase in guide.words)
        yield from ((phrase, Meaning(Kind.TERM, name)) for phrase in guide.terms)
    for tier, phrases in document.severity.words.items():
        yield from ((phrase, Meaning(Kind.SEVERITY, tier)) for phrase in phrases)
    yield from ((phrase, Meaning(Kind.URGENT)) for phrase in document.severity.urgent)
    yield from ((phrase, Meaning(Kind.MAPPING)) for phrase in document.mappings)


RESERVED: Final = frozenset(
    phrase for phrase, meaning in _fixed() if meaning.kind not in {Kind.FILLER, Kind.WHEN}
)
"""Phrases of the grammar: a document that gives one another meaning makes intents unclear."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    phrases: Phrases
    longest: int

    def split(self, words: tuple[Word, ...]) -> tuple[Said, ...]:
        """Every word as part of a phrase, a quantity, a quoted value, or as unknown."""
        found: list[Said] = []
        at = 0
        while at < len(words):
            said, at = self._next(words, at)
            found.append(said)
        return tuple(found)

    def _next(self, words: tuple[Word, ...], at: int) -> tuple[Said, int]:
        word = words[at]
        if word.quoted:
            return Said(word.text, word.where, (Meaning(Kind.QUOTED),)), at + 1
        measured = quantity_at(words, at)
        shortest = measured[1] - at if measured is not None else 0
        for size in range(min(self.longest, len(words) - at), shortest, -1):
            part = words[at : at + size]
            meanings = self.phrases.get(tuple(each.text for each in part))
            if meanings is not None and not any(each.quoted for each in part):
                return Said(" ".join(e.text for e in part), word.where, meanings), at + size
        if measured is not None:
            quantity, end = measured
            return Said(quantity.said, word.where, (Meaning(Kind.QUANTITY),), quantity), end
        return Said(word.text, word.where, (Meaning(Kind.UNKNOWN),)), at + 1


def lexicon_of(guardrails: Guardrails) -> Lexicon:
    """Prepared once for each document, and remembered for the few that are in use."""
    kept = _prepared.get(guardrails.hash)
    if kept is not None and kept[0] is guardrails.document:
        return kept[1]
    lexicon = _prepare(guardrails.document)
    if len(_prepared) >= _MOST_PREPARED:
        _prepared.clear()
    _prepared[guardrails.hash] = (guardrails.document, lexicon)
    return lexicon


_MOST_PREPARED: Final = 8
_prepared: dict[str, tuple[Document, Lexicon]] = {}


def _prepare(document: Document) -> Lexicon:
    meanings: dict[tuple[str, ...], set[Meaning]] = {}
    for phrase, meaning in _said_by(document):
        meanings.setdefault(tuple(phrase.split()), set()).add(meaning)
    for phrase, meaning in _fixed():
        key = tuple(phrase.split())
        if meaning.kind not in {Kind.FILLER, Kind.WHEN} or key not in meanings:
            meanings.setdefault(key, set()).add(meaning)
    phrases = {key: tuple(sorted(found)) for key, found in meanings.items() if key}
    return Lexicon(phrases, max(len(key) for key in phrases))
