"""What an intent means under a document: one pure function, and a trace of why. Pure.

Equal intents under equal documents have equal resolutions on every machine.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from app.authority.guardrails.compiler.asked import Asked
from app.authority.guardrails.compiler.choosing import choose, rejections, usable
from app.authority.guardrails.compiler.contradictions import look_for_contradictions
from app.authority.guardrails.compiler.findings import Findings, unclear
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.parameters import parameters_of
from app.authority.guardrails.compiler.points import points_of
from app.authority.guardrails.compiler.reading import read
from app.authority.guardrails.compiler.references import contents_of
from app.authority.guardrails.compiler.severity import tier_of
from app.authority.guardrails.compiler.words import words_of
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.values import (
    Clause,
    ClauseTrace,
    Combined,
    Composite,
    Condition,
    Definition,
    Expression,
    Intent,
    Leaf,
    Operator,
    Reference,
    Resolution,
    Trace,
    ValueType,
)

COMPOSITE: Final = "composite"
NOTHING_KNOWN: Final[Mapping[tuple[str, int], Definition]] = MappingProxyType({})


def resolve(
    intent: str | Intent,
    guardrails: Guardrails,
    known: Mapping[tuple[str, int], Definition] = NOTHING_KNOWN,
) -> Resolution:
    """Compile a text, or an intent given as structure. `known` are definitions it may refer to.

    Raises:
        IntentUnclear: something is left open; details say the question and the choices.
        GuardrailViolated: something is not allowed; details have all violations.
    """
    lookup = Lookup(guardrails.document)
    wanted = read(intent, guardrails, lookup) if isinstance(intent, str) else intent
    compilation = _Compilation(lookup, by_name=not wanted.text)
    condition = compilation.condition(wanted.when, "when", negated=False)
    findings = compilation.findings
    contents = contents_of(wanted.when, known, findings, "when")
    compilation.limit(contents.conditions)
    points = points_of(wanted, contents.watched, findings)
    if condition is not None:
        look_for_contradictions(condition, findings, "when")
    findings.settle()
    assert condition is not None, "whatever keeps a condition from being made leaves a finding"
    return Resolution(
        intent=replace(wanted, points=points),
        condition=condition,
        trace=Trace(
            clauses=tuple(compilation.clauses),
            reads=frozenset(compilation.lookup.reads),
            words=_words(wanted),
        ),
        guardrails=guardrails.hash,
    )


class _Compilation:
    """One run over one intent, gathering what it reads and what is wrong."""

    def __init__(self, lookup: Lookup, *, by_name: bool) -> None:
        self._by_name = by_name
        """Primitives were named, not said: that they are there is looked up, not heard."""
        self.lookup = lookup
        self.findings = Findings()
        self.clauses: list[ClauseTrace] = []

    def condition(self, expression: Expression, where: str, *, negated: bool) -> Condition | None:
        """None where something is wrong with it, or in it. `negated`: under an odd number of NOTs,
        where the rule is met more often when this is met less often."""
        match expression:
            case Clause():
                return self._leaf(expression, where, negated=negated)
            case Reference():
                return expression
            case Combined():
                return self._composite(expression, where, negated=negated)

    def limit(self, count: int) -> None:
        most = self.lookup.at("constraints", "max_conditions")
        if count > most:
            self.findings.violated(
                "conditions",
                f"there are {count} conditions, and at most {most} may be in one rule "
                "(constraints/max_conditions)",
                "when",
            )

    def _composite(self, combined: Combined, where: str, *, negated: bool) -> Condition | None:
        inverts = combined.operator is Operator.NOT
        operands = [
            self.condition(operand, f"{where}.{place}", negated=negated is not inverts)
            for place, operand in enumerate(combined.operands)
        ]
        refused = list(rejections(COMPOSITE, ValueType.DECISION, "a condition", self.lookup))
        for each in refused:
            self.findings.violated(each.rule, each.message, where)
        if not _arity(combined):
            self.findings.violated(
                "operands",
                f"{combined.operator.value} has {_wanted(combined.operator)}, not {len(operands)}",
                where,
            )
        whole = tuple(operand for operand in operands if operand is not None)
        if refused or len(whole) < len(operands) or not _arity(combined):
            return None
        version = usable(COMPOSITE, self.lookup).signature.version
        return Composite(combined.operator, whole, version)

    def _leaf(self, clause: Clause, where: str, *, negated: bool) -> Condition | None:
        primitive = self._primitive(clause, where)
        if primitive is None or not self._words_known(clause, where):
            return None
        choice = choose(clause, primitive, self.lookup, self.findings, where)
        if choice.strategy is None:
            return None
        strategy = choice.strategy
        asked = Asked(clause, primitive, strategy, self.lookup, self.findings, where, negated)
        chosen, severity = parameters_of(asked)
        self.clauses.append(
            ClauseTrace(
                path=where,
                candidates=choice.candidates,
                severity=severity,
                parameters=chosen,
                implied_by=clause.implied_by,
            )
        )
        signature = strategy.signature
        if len(chosen) < len(signature.parameters):
            return None
        return Leaf(
            primitive=primitive.name,
            primitive_version=primitive.version,
            scope=clause.scope,
            strategy=signature.name,
            strategy_version=signature.version,
            params={each.name: each.value for each in chosen},
        )

    def _primitive(self, clause: Clause, where: str) -> Primitive | None:
        name = clause.primitive
        primitive = PRIMITIVES.get(name)
        guided = self.lookup.document.primitives
        if primitive is None or name not in guided:
            names = ", ".join(sorted(set(guided) & set(PRIMITIVES)))
            self.findings.violated(
                "primitive.unknown", f"there is no primitive {name}: there are {names}", where
            )
            return None
        if self._by_name:
            self.lookup.at("primitives", name, "words")
        if name in self.lookup.at("constraints", "disallowed_primitives"):
            self.findings.violated(
                "primitive.disallowed",
                f"{name} is not allowed (constraints/disallowed_primitives)",
                where,
            )
        if clause.scope not in primitive.scopes:
            self.findings.violated(
                "scope",
                f"{name} is not counted per {clause.scope.value}: it is for "
                f"{', '.join(scope.value for scope in primitive.scopes)}",
                f"{where}.scope",
            )
        return primitive

    def _words_known(self, clause: Clause, where: str) -> bool:
        """A text has only known words; in a structure they may be anything."""
        document = self.lookup.document
        for word in clause.severity:
            if tier_of(word, document) is None:
                vocabulary = [*document.severity.words.values(), document.severity.urgent]
                known = sorted({phrase for phrases in vocabulary for phrase in phrases})
                self._ask("severity", word, known, where)
                return False
        mapping = clause.mapping
        if mapping is not None and self.lookup.at("mappings", mapping, "strategy") is None:
            self._ask("mapping", mapping, sorted(document.mappings), where)
            return False
        return True

    def _ask(self, what: str, word: str, known: list[str], where: str) -> None:
        self.findings.asks(
            unclear(
                f"Which {what} is {word!r}? The document has no such phrase.",
                where=f"{where}.{what}",
                choices=known,
            )
        )


def _arity(combined: Combined) -> bool:
    count = len(combined.operands)
    return count == 1 if combined.operator is Operator.NOT else count >= 2


def _wanted(operator: Operator) -> str:
    return "one operand" if operator is Operator.NOT else "at least two operands"


def _words(intent: Intent) -> str:
    """What the document's vocabulary is looked for in: the text, or a structure's phrases."""
    if intent.text:
        return " ".join(word.text for word in words_of(intent.text))
    return " ".join(_phrases(intent.when))


def _phrases(expression: Expression) -> list[str]:
    match expression:
        case Clause():
            said = [*expression.severity, expression.mapping, expression.term]
            return [phrase for phrase in said if phrase is not None]
        case Combined():
            return [phrase for operand in expression.operands for phrase in _phrases(operand)]
        case Reference():
            return []
