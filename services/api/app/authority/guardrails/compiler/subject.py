"""What a clause is about: the one primitive that it names, implies or inherits. Pure.

It is implied by a phrase of membership ("unknown sources"), by a value that only one primitive has
("gguf models"), or by a mapped phrase whose primitive the document says ("larger than 20 GB").
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.offering import (
    fitting,
    near,
    not_known,
    nothing_watched,
    phrase_among,
)
from app.authority.guardrails.grammar import COMPARES, Kind, Meaning
from app.authority.guardrails.primitives import NUMBERS, PRIMITIVES, SERIES, Primitive
from app.authority.guardrails.values import Point, Scope

_TOGETHER: Final = frozenset({Kind.SEVERITY, Kind.URGENT, Kind.MAPPING})
_UNKNOWN: Final = (Meaning(Kind.UNKNOWN),)
_NOT_ALONE: Final = frozenset({"other"})
"""Labels that say too little by themselves: "other models" need not be of another format."""

LABELS: Final = {
    label: each.name
    for each in PRIMITIVES.values()
    for label in each.labels
    if label not in _NOT_ALONE and sum(label in other.labels for other in PRIMITIVES.values()) == 1
}
"""Values that say what they are values of: "gguf models"."""


class Before(NamedTuple):
    """What the clause before was about."""

    primitive: str
    scope: Scope


class Subject(NamedTuple):
    """`inherited`: from the clause before. `implied_by`: what says it where nothing names it."""

    primitive: Primitive
    inherited: bool = False
    implied_by: str | None = None


def subject_of(
    part: list[Said], before: Before | None, points: tuple[Point, ...], lookup: Lookup
) -> Subject:
    """What is watched. `points`: the acts that were named, at which it has to be readable."""
    named = _one([_names(said, Kind.PRIMITIVE) for said in part], part, lookup)
    if named is not None:
        return Subject(_known(named, part[0]))
    implied = [_names(said, Kind.TERM) + _labelled(said, lookup) for said in part]
    if before is not None and all(not names or before.primitive in names for names in implied):
        inherited = PRIMITIVES[before.primitive]
        mapped = [] if inherited.type in SERIES | NUMBERS else _mapped(part, lookup)
        if not any(mapped):
            return Subject(inherited, inherited=True)
    else:
        mapped = _mapped(part, lookup)
    mapped = mapped or [[] for _ in part]
    found = _one(
        [
            mine + [n for n in more if n not in mine]
            for mine, more in zip(implied, mapped, strict=True)
        ],
        part,
        lookup,
    )
    if found is None:
        raise _nothing(part, points, lookup)
    return Subject(_known(found, part[0]), implied_by=_by_what(part, mapped))


def meanings_for(said: Said, primitive: Primitive, lookup: Lookup) -> tuple[Meaning, ...]:
    """What a piece says in a clause about `primitive`: terms of other primitives are not meant.

    A severity may also say how something moves ("sharply"), and a comparator what it compares
    ("larger than"); other double meanings are asked about.
    """
    kept = tuple(
        meaning
        for meaning in said.meanings
        if meaning.kind is not Kind.TERM or meaning.name == primitive.name
    )
    if {meaning.kind for meaning in kept} == {Kind.COMPARE, Kind.MAPPING} and compares(
        said.text, lookup
    ):
        return tuple(meaning for meaning in kept if meaning.kind is Kind.COMPARE)
    if len(kept) > 1 and not {meaning.kind for meaning in kept} <= _TOGETHER:
        raise unclear(
            f"What does {echo(said.text)} stand for?",
            where=said.where,
            choices=[f"{each.kind} {each.name}".strip() for each in kept],
        )
    return tuple({meaning.kind: meaning for meaning in kept}.values()) or _UNKNOWN


def compares(phrase: str, lookup: Lookup) -> bool:
    """Whether a mapped phrase says what the comparator of the same words says anyway."""
    mapped = lookup.document.mappings[phrase]
    return mapped.strategy == "threshold" and mapped.direction == COMPARES.get(phrase)


def _names(said: Said, kind: Kind) -> list[str]:
    return [meaning.name for meaning in said.meanings if meaning.kind is kind]


def _labelled(said: Said, lookup: Lookup) -> list[str]:
    """The primitive that alone has this value, where the document knows it."""
    name = LABELS.get(said.text) if said.kind is Kind.UNKNOWN else None
    return [name] if name is not None and lookup.at("primitives", name, "words") else []


def _mapped(part: list[Said], lookup: Lookup) -> list[list[str]]:
    """For each piece, the primitive that the document says its mapped phrase is about."""
    found = []
    for said in part:
        about = lookup.at("mappings", said.text, "primitive") if said.has(Kind.MAPPING) else None
        found.append([about] if about is not None else [])
    return found


def _by_what(part: list[Said], mapped: list[list[str]]) -> str | None:
    """The mapping that says it; a term and a value say it by themselves."""
    phrases = (said.text for said, names in zip(part, mapped, strict=True) if names)
    return next((f"mappings/{phrase}/primitive" for phrase in phrases), None)


def _one(found: Iterable[list[str]], part: list[Said], lookup: Lookup) -> str | None:
    """The one name that all agree on."""
    several = [(names, said) for names, said in zip(found, part, strict=True) if names]
    if not several:
        return None
    common = set(several[0][0]).intersection(*(names for names, _ in several))
    if len(common) == 1:
        return common.pop()
    names = sorted({name for names, _ in several for name in names})
    where = several[-1][1]
    odd = next((said for said in part if _odd(said)), None)
    if odd is not None and near(odd, lookup.document):
        raise not_known(odd, lookup.document)
    raise unclear(
        f"What is watched? {echo(where.text)} leaves it open; join two conditions with and.",
        where=where.where,
        choices=[phrase_among(name, names, lookup.document) for name in names],
    )


def _odd(said: Said) -> bool:
    return said.kind is Kind.UNKNOWN and said.text not in LABELS


def _known(name: str, said: Said) -> Primitive:
    if name not in PRIMITIVES:
        raise unclear(f"What is {name}? Nothing of that name can be watched.", where=said.where)
    return PRIMITIVES[name]


def _nothing(part: list[Said], points: tuple[Point, ...], lookup: Lookup) -> Exception:
    """No primitive at all: a word that is not known may be a misspelt one."""
    odd = next((said for said in part if said.kind in {Kind.UNKNOWN, Kind.EVERY}), None)
    if odd is not None:
        return not_known(odd, lookup.document)
    late = next((said for said in part if said.kind is Kind.POINT), None)
    if late is not None:
        return nothing_watched(late, fitting(part, points, lookup.document))
    return unclear(
        f"What is watched? {echo(' '.join(said.text for said in part))} does not say it.",
        where=part[0].where,
        choices=fitting(part, points, lookup.document),
    )
