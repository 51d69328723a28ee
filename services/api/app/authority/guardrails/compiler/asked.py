"""One clause whose parameters are looked up, and what is said alike of all of them. Pure."""

from dataclasses import dataclass

from app.authority.guardrails.compiler.bounds import Limits
from app.authority.guardrails.compiler.findings import Findings
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.primitives import Primitive
from app.authority.guardrails.strategies.base import Signature, Strategy
from app.authority.guardrails.values import Clause, ValueType


@dataclass(frozen=True, slots=True)
class Asked:
    """One clause with what its parameters are looked up for, and where what is wrong is put."""

    clause: Clause
    primitive: Primitive
    strategy: Strategy
    lookup: Lookup
    findings: Findings
    where: str
    negated: bool
    """The rule is met more often when this clause is met less often."""

    @property
    def signature(self) -> Signature:
        return self.strategy.signature

    def at(self, name: str) -> str:
        return f"{self.where}.params.{name}"


def texts_of(asked: Asked, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """A list whose order means nothing is written in one order, and nothing in it twice.

    What is read in lower case is compared so, however it was quoted: "MIT" would never be met.
    """
    labels = labels_of(asked.primitive)
    if asked.primitive.lower_case:
        values = tuple(value.lower() for value in values)
    for value in values if labels else ():
        if value not in labels:
            asked.findings.violated(
                "parameter.label",
                f"{asked.primitive.name} is never {value}: it is one of {', '.join(labels)}",
                asked.at(name),
            )
    if asked.signature.parameters[name].ordered:
        return values
    return tuple(sorted(set(values)))


def labels_of(primitive: Primitive) -> tuple[str, ...]:
    return ("true", "false") if primitive.type is ValueType.BOOLEAN else primitive.labels


def terms_of(asked: Asked) -> list[str]:
    guide = asked.lookup.document.primitives.get(asked.primitive.name)
    return sorted(guide.terms) if guide is not None else []


def out_of_bounds(asked: Asked, name: str, value: float, limits: Limits) -> None:
    asked.findings.violated(
        "parameter.bounds",
        f"{asked.signature.name} {name} of {asked.primitive.name} is {value}, and must be "
        f"{limits.broken(value)}",
        asked.at(name),
    )
