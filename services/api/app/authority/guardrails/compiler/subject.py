"""What a clause is about: the one primitive that it names, implies by a term, or inherits. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.nearby import like
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.grammar import Kind, Meaning
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.values import Scope

_TOGETHER: Final = frozenset({Kind.SEVERITY, Kind.URGENT, Kind.MAPPING})
_UNKNOWN: Final = (Meaning(Kind.UNKNOWN),)


class Before(NamedTuple):
    """What the clause before was about."""

    primitive: str
    scope: Scope


def subject_of(
    part: list[Said], before: Before | None, document: Document
) -> tuple[Primitive, bool]:
    """The primitive, and whether it is inherited from the clause before."""
    named = _one([_names(said, Kind.PRIMITIVE) for said in part], part, document)
    if named is not None:
        return _known(named, part[0]), False
    implied = [_names(said, Kind.TERM) for said in part]
    if before is not None and all(not names or before.primitive in names for names in implied):
        return PRIMITIVES[before.primitive], True
    named = _one(implied, part, document)
    if named is not None:
        return _known(named, part[0]), False
    raise _nothing(part, document)


def meanings_for(said: Said, primitive: Primitive) -> tuple[Meaning, ...]:
    """What a piece says in a clause about `primitive`: terms of other primitives are not meant.

    A severity may also say how something moves ("sharply"); other double meanings are asked about.
    """
    kept = tuple(
        meaning
        for meaning in said.meanings
        if meaning.kind is not Kind.TERM or meaning.name == primitive.name
    )
    if len(kept) > 1 and not {meaning.kind for meaning in kept} <= _TOGETHER:
        raise unclear(
            f"What does {echo(said.text)} stand for?",
            where=said.where,
            choices=[f"{each.kind} {each.name}".strip() for each in kept],
        )
    return tuple({meaning.kind: meaning for meaning in kept}.values()) or _UNKNOWN


def _names(said: Said, kind: Kind) -> list[str]:
    return [meaning.name for meaning in said.meanings if meaning.kind is kind]


def _one(found: Iterable[list[str]], part: list[Said], document: Document) -> str | None:
    """The one name that all agree on."""
    several = [(names, said) for names, said in zip(found, part, strict=True) if names]
    if not several:
        return None
    common = set(several[0][0]).intersection(*(names for names, _ in several))
    if len(common) == 1:
        return common.pop()
    names = sorted({name for names, _ in several for name in names})
    where = several[-1][1]
    raise unclear(
        f"What is watched? {echo(where.text)} leaves it open; join two conditions with and.",
        where=where.where,
        choices=[_phrase(name, names, document) for name in names],
    )


def _phrase(name: str, names: list[str], document: Document) -> str:
    """A phrase of `name` that none of the others has; its own name where there is none."""
    others = {word for each in names if each != name for word in document.primitives[each].words}
    own = [word for word in document.primitives[name].words if word not in others]
    return own[0] if own else name


def _known(name: str, said: Said) -> Primitive:
    if name not in PRIMITIVES:
        raise unclear(f"What is {name}? Nothing of that name can be watched.", where=said.where)
    return PRIMITIVES[name]


def _nothing(part: list[Said], document: Document) -> Exception:
    """No primitive at all: a word that is not known may be a misspelt one."""
    phrases = sorted({word for guide in document.primitives.values() for word in guide.words})
    odd = next((said for said in part if said.kind is Kind.UNKNOWN), None)
    if odd is not None:
        question = f"What does {echo(odd.text)} mean? It is not in the vocabulary."
        return unclear(question, where=odd.where, choices=like(odd.text, phrases))
    firsts = [guide.words[0] for _, guide in sorted(document.primitives.items())]
    return unclear("What is watched?", where=part[0].where, choices=firsts)
