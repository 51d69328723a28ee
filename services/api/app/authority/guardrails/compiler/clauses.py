"""One clause of a text: what is watched, and what is said about it. Pure."""

from dataclasses import dataclass

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.hearing import WORDED, Heard, Hearing
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.offering import phrase_for
from app.authority.guardrails.compiler.subject import Before, Subject, subject_of
from app.authority.guardrails.compiler.words import WRITTEN
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.grammar import COMPARES
from app.authority.guardrails.primitives import Primitive
from app.authority.guardrails.strategies.registry import COMPATIBLE
from app.authority.guardrails.values import (
    Clause,
    Combined,
    Expression,
    Operator,
    Point,
    Scope,
    Value,
    ValueType,
)


@dataclass(frozen=True, slots=True)
class Head:
    """What was said before the conditions. `of_one`: whose facts follow, as in "a model whose"."""

    urgent: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    of_one: tuple[Said, ...] = ()


def clause_of(
    part: list[Said], before: Before | None, head: Head, lookup: Lookup
) -> tuple[Expression, Before]:
    """The clause, and what the next one inherits that does not name what it watches.

    Raises:
        IntentUnclear: the question that is open.
    """
    document = lookup.document
    subject = subject_of(part, before, head.points, lookup)
    primitive = subject.primitive
    heard = Hearing([*(head.of_one if before is None else ()), *part], primitive, lookup).heard()
    inherited = before is not None and subject.inherited
    scope = heard.scope or (before.scope if before is not None and inherited else Scope.ALL)
    if heard.scope is None and not inherited:
        _ask_for_scope(subject, head, part[0].where, document)
    if before is not None and inherited and scope is not before.scope:
        raise unclear(
            f"Is all of {phrase_for(primitive.name, document)} meant per {scope.value}? Say it "
            "where that is named first.",
            where=part[0].where,
        )
    heard.scope = scope
    heard.severity = [*head.urgent, *heard.severity]
    clause = _clause(heard, subject, part[0].where, document)
    found = Combined(Operator.NOT, (clause,)) if heard.negated else clause
    return found, Before(primitive.name, scope)


def _ask_for_scope(subject: Subject, head: Head, where: str, document: Document) -> None:
    """Whether one number is meant or one for each model, where "models" leave it open."""
    if Scope.MODEL not in subject.primitive.scopes:
        return
    if subject.implied_by is None and not head.of_one:
        return
    name = phrase_for(subject.primitive.name, document)
    raise unclear(
        f"{name}: of all models together, or of each by itself?",
        where=where,
        choices=("of all models together", "for any model"),
    )


def _clause(heard: Heard, subject: Subject, where: str, document: Document) -> Clause:
    primitive = subject.primitive
    compared_as = heard.comparison or heard.values
    strategy = compared_as.strategy if compared_as is not None else heard.strategy
    params: dict[str, Value] = dict(compared_as.params) if compared_as is not None else {}
    if heard.window is not None:
        params["window"] = heard.window
    _agree(heard, where, document)
    nothing = not (strategy or heard.mapping or heard.term or heard.severity)
    if (
        primitive.type is ValueType.BOOLEAN
        and strategy is None
        and not (heard.term or heard.mapping)
    ):
        strategy = "equals"
        params |= {"values": ("false" if heard.negated else "true",), "negate": False}
        heard.negated = False
    elif nothing:
        raise unclear(
            f"What about {phrase_for(primitive.name, document)}? Say how much of it, or how it "
            "moves.",
            where=where,
            choices=_about(primitive, document),
        )
    return Clause(
        primitive=primitive.name,
        scope=heard.scope or Scope.ALL,
        strategy=strategy,
        params=params,
        severity=tuple(dict.fromkeys(heard.severity)),
        mapping=heard.mapping,
        term=heard.term,
        implied_by=subject.implied_by,
    )


def _agree(heard: Heard, where: str, document: Document) -> None:
    """Nothing that is said may be overruled in silence by something else that is said."""
    said = heard.comparison or heard.values
    if heard.comparison is not None and heard.values is not None:
        raise _two(heard.comparison.said, heard.values.said, where)
    if heard.usual is not None and (said is None or said.strategy != "z_score"):
        raise unclear(
            "How many standard deviations from the mean? Say a number.",
            where=where,
            choices=("more than 3 standard deviations above the mean",),
        )
    if said is None:
        if heard.term is not None and heard.mapping is not None:
            raise _two(heard.term, heard.mapping, where)
        return
    if heard.term is not None:
        raise _two(heard.term, said.said, where)
    if heard.strategy is not None and heard.strategy != said.strategy:
        raise _two(heard.strategy, said.said, where)
    if said.needs_mapping and heard.mapping is None:
        raise unclear(
            f"What changes {echo(said.said)}? Say how it moves.",
            where=where,
            choices=_mapped_to(said.strategy, document),
        )
    if heard.mapping is not None:
        mapped = document.mappings[heard.mapping].strategy
        if mapped != said.strategy:
            raise _two(heard.mapping, said.said, where)


def _mapped_to(strategy: str, document: Document) -> list[str]:
    return sorted(
        phrase for phrase, mapped in document.mappings.items() if mapped.strategy == strategy
    )


def _two(one: str, other: str, where: str) -> Exception:
    return unclear(
        f"Which of them is meant, {echo(one)} or {echo(other)}? They judge in two ways; join two "
        "conditions with and.",
        where=where,
        choices=(one, other),
    )


def _about(primitive: Primitive, document: Document) -> list[str]:
    guide = document.primitives[primitive.name]
    if primitive.type in WORDED:
        return [*(f"is {label}" for label in primitive.labels), *sorted(guide.terms)]
    written = WRITTEN[primitive.unit].split(", ")[0]
    moves = sorted(
        (mapped.strategy not in {"change", "z_score"}, phrase)
        for phrase, mapped in document.mappings.items()
        if mapped.primitive in {None, primitive.name}
        and mapped.strategy in COMPATIBLE[primitive.type]
        and phrase not in COMPARES
    )
    return [f"above {written}", f"below {written}", *(phrase for _, phrase in moves)]
