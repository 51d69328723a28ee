"""What is asked about a piece of a clause that says nothing there, or that nobody knows. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.nearby import like
from app.authority.guardrails.compiler.offering import not_known, nothing_watched, phrase_for
from app.authority.guardrails.compiler.subject import LABELS
from app.authority.guardrails.compiler.valuing import values_of
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.grammar import Kind, Meaning
from app.authority.guardrails.primitives import WORDS, Primitive

FOR: Final = "for"
_ASKED: Final[Mapping[Kind, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        Kind.ACTION: ("What does {} say here? Actions and acts come first.", ()),
        Kind.EVERY: (
            "What does {} say here? A rule is met by one or more.",
            ("any", "per model", "per key"),
        ),
        Kind.QUANTITY: ("What about {}? Say how it is compared.", ("above", "below", "is")),
        Kind.QUOTED: ("What about {}? Say how it is compared.", ("above", "below", "is")),
    }
)


def not_understood(
    said: Said,
    meaning: Meaning,
    around: tuple[Said | None, Said | None],
    primitive: Primitive,
    lookup: Lookup,
) -> Exception:
    """`around`: the piece before it, and the number behind it."""
    before, after = around
    if meaning.kind is Kind.NOT_STRICT:
        return _not_strict(said, meaning, after)
    if meaning.kind is Kind.QUANTITY and before is not None and before.text == FOR:
        return unclear(
            f"What about {echo(said.text)}? A rule looks at one moment, and not at how long "
            "something stays so.",
            where=said.where,
        )
    if meaning.kind is Kind.POINT:
        return nothing_watched(said, [])
    if meaning.kind in _ASKED:
        question, choices = _ASKED[meaning.kind]
        return unclear(question.format(echo(said.text)), where=said.where, choices=choices)
    return _unknown(said, primitive, lookup)


def _not_strict(said: Said, meaning: Meaning, after: Said | None) -> Exception:
    """`at least 90 %`: there is no such comparison; the number is the user's own."""
    number = after.quantity.said if after is not None and after.quantity is not None else None
    if meaning.name:
        question = f"{echo(said.text)} how much more? All comparisons are strict."
        return unclear(question, where=said.where, choices=(f"by more than {number or '50 %'}",))
    return unclear(
        "All comparisons are strict: above or below which number?",
        where=said.where,
        choices=(f"above {number or 10}", f"below {number or 10}"),
    )


def _unknown(said: Said, primitive: Primitive, lookup: Lookup) -> Exception:
    """A word that says nothing of what is watched: of something else, or misspelt."""
    document = lookup.document
    name = phrase_for(primitive.name, document)
    about = [each.name for each in said.meanings if each.kind is Kind.TERM]
    about += [LABELS[said.text]] if said.text in LABELS else []
    about = [each for each in about if each in document.primitives]
    if about:
        return unclear(
            f"What does {echo(said.text)} say of {name}? It is about "
            f"{phrase_for(about[0], document)}: join two conditions with and.",
            where=said.where,
        )
    if primitive.type in WORDS and said.text in values_of(primitive, lookup):
        return unclear(
            f"Is {echo(said.text)} another value of {name}? Values are joined with or.",
            where=said.where,
            choices=(f"or {said.text}",),
        )
    return not_known(said, document, primitive.labels)


def no_value(said: Said, primitive: Primitive, lookup: Lookup) -> Exception:
    """A word where a value is to be: what is near it, and how it is said letter by letter."""
    document = lookup.document
    quoted = f'"{said.text}"' if said.kind is Kind.UNKNOWN else '"..."'
    near = like(said.text, values_of(primitive, lookup))
    choices = [*primitive.labels, *near, *sorted(document.primitives[primitive.name].terms)]
    return unclear(
        f"Which values of {phrase_for(primitive.name, document)} are meant? {echo(said.text)} is "
        "none of the known ones; what is meant letter by letter stands in quotes.",
        where=said.where,
        choices=[*_elsewhere(said, document), *([] if primitive.labels else [quoted]), *choices],
    )


def _elsewhere(said: Said, document: Document) -> list[str]:
    """What has this value: "from the hub" is about where a model came from, and no publisher."""
    name = LABELS.get(said.text)
    if name is None or name not in document.primitives:
        return []
    return [f"{phrase_for(name, document)} is {said.text}"]
