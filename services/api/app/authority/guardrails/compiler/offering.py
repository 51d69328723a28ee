"""What may be answered to a question: what fits what was said, and words that are near. Pure."""

from collections.abc import Iterator
from typing import Final

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.nearby import like
from app.authority.guardrails.compiler.words import in_unit
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.grammar import Kind, fixed
from app.authority.guardrails.primitives import NUMBERS, PRIMITIVES, SERIES, WORDS, Primitive
from app.authority.guardrails.values import Point

VOCABULARY: Final = "lmx guardrails show prints the words that are known"
_OVER_TIME: Final = frozenset({"change", "z_score"})
_NEVER_MEANT: Final = frozenset({Kind.FILLER, Kind.OPEN, Kind.CLOSE, Kind.COMMA})


def fitting(part: list[Said], points: tuple[Point, ...], document: Document) -> list[str]:
    """A phrase for each primitive that can be read at `points` and takes what `part` says of it.

    Without points, and where none takes it, those that can be read at all of them.
    """
    readable = [
        PRIMITIVES[name]
        for name in sorted(document.primitives)
        if name in PRIMITIVES
        and name not in document.constraints.disallowed_primitives
        and set(points) <= set(PRIMITIVES[name].points)
    ]
    taken = [each for each in readable if _takes(each, part, document)]
    return [phrase_for(each.name, document) for each in taken or readable]


def phrase_for(name: str, document: Document) -> str:
    guide = document.primitives.get(name)
    return guide.words[0] if guide is not None and guide.words else name


def phrase_among(name: str, names: list[str], document: Document) -> str:
    """A phrase of `name` that none of the others has; its own name where there is none."""
    if name not in document.primitives:
        return name
    others = {
        word
        for each in names
        if each != name and each in document.primitives
        for word in document.primitives[each].words
    }
    own = [word for word in document.primitives[name].words if word not in others]
    return own[0] if own else name


def _takes(primitive: Primitive, part: list[Said], document: Document) -> bool:
    return all(_goes_with(primitive, said, document) for said in part)


def _goes_with(primitive: Primitive, said: Said, document: Document) -> bool:
    kind, numeric = said.kind, primitive.type in SERIES | NUMBERS
    if said.quantity is not None:
        match said.quantity.kind:
            case "percentile":
                return numeric
            case "deviations":
                return primitive.type in SERIES
            case _:
                return numeric and in_unit(said.quantity, primitive.unit) is not None
    if kind is Kind.QUOTED:
        return primitive.type in WORDS
    if kind is Kind.MAPPING:
        mapped = document.mappings[said.text]
        return numeric and (mapped.strategy not in _OVER_TIME or primitive.type in SERIES)
    return numeric or kind not in {Kind.COMPARE, Kind.RANK, Kind.BY_MORE, Kind.USUAL}


def not_known(said: Said, document: Document, also: tuple[str, ...] = ()) -> Exception:
    """A word that is not known: what is near it, and where all words are."""
    return unclear(
        f"What does {echo(said.text)} mean? It is not in the vocabulary: {VOCABULARY}.",
        where=said.where,
        choices=near(said, document, also),
    )


def near(said: Said, document: Document, also: tuple[str, ...] = ()) -> list[str]:
    return like(said.text, [*_phrases(document), *also])


def nothing_watched(said: Said, choices: list[str]) -> Exception:
    """An act where a condition is said: it came too late, or its number is what is watched."""
    return unclear(
        f"What does {echo(said.text)} say here? Acts come first, right after what is to be done; "
        "then say what is watched.",
        where=said.where,
        choices=[each for each in choices if said.text.split()[0] in each.split()] or choices,
    )


def _phrases(document: Document) -> Iterator[str]:
    for said in (*document.actions.values(), *document.points.values()):
        yield from said.words
    for guide in document.primitives.values():
        yield from guide.words
        yield from guide.terms
    for words in document.severity.words.values():
        yield from words
    yield from document.severity.urgent
    yield from document.mappings
    for name in document.primitives.keys() & PRIMITIVES.keys():
        yield from PRIMITIVES[name].labels
    yield from (
        phrase
        for phrase, meaning in fixed()
        if meaning.kind not in _NEVER_MEANT and len(phrase) > 2
    )
