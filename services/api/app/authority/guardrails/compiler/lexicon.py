"""Which phrases intents are written in: the grammar, and the document for all else. Pure.

The longest phrase wins. What a document says of a word goes before its being a filler; any other
double meaning is left to whoever reads the clause, who asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.authority.guardrails.compiler.words import Quantity, Word, quantity_at
from app.authority.guardrails.document.model import Document, Guardrails
from app.authority.guardrails.grammar import IDLE, Kind, Meaning, fixed


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of an intent. Several meanings: it is not decided yet which."""

    text: str
    where: str
    meanings: tuple[Meaning, ...]
    quantity: Quantity | None = None

    @property
    def kind(self) -> Kind:
        """Of the first meaning; whether there are others is asked where it matters."""
        return self.meanings[0].kind

    def has(self, *kinds: Kind) -> bool:
        return any(meaning.kind in kinds for meaning in self.meanings)


Phrases = Mapping[tuple[str, ...], tuple[Meaning, ...]]


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
    for phrase, meaning in fixed():
        key = tuple(phrase.split())
        if meaning.kind not in IDLE or key not in meanings:
            meanings.setdefault(key, set()).add(meaning)
    phrases = {key: tuple(sorted(found)) for key, found in meanings.items() if key}
    return Lexicon(phrases, max(len(key) for key in phrases))
