"""Numbers in a text: what they are compared with, and by which strategy. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.words import WRITTEN, in_unit, plain
from app.authority.guardrails.primitives import NUMBERS, SERIES, Primitive
from app.authority.guardrails.strategies.wording import spoken
from app.authority.guardrails.values import Parameters

_PERCENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was said explicitly. `needs_mapping`: it is only a part of how something moves."""

    strategy: str
    params: Parameters
    said: str
    needs_mapping: bool = False

    def towards(self, direction: str) -> "Comparison":
        return replace(self, params={**self.params, "direction": direction})


def compared(said: Said, direction: str, number: Said | None, primitive: Primitive) -> Comparison:
    """`above 20 GB`, `above the 95th percentile`, `more than 3 standard deviations`."""
    quantity = number.quantity if number is not None else None
    if quantity is None:
        raise unclear(
            f"{echo(said.text)} which number?", where=said.where, choices=_written(primitive)
        )
    shown = f"{said.text} {quantity.said}"
    if quantity.kind == "percentile":
        top = direction == "above"
        rank = plain(100 - quantity.amount if top else quantity.amount)
        return Comparison(
            "percentile", {"direction": "top" if top else "bottom", "value": rank}, shown
        )
    if quantity.kind == "deviations":
        if direction == "below":
            raise unclear(
                "How many standard deviations are too many?",
                where=said.where,
                choices=(f"more than {quantity.said} below the mean",),
            )
        return Comparison("z_score", {"threshold": plain(quantity.amount)}, shown)
    if primitive.type not in SERIES | NUMBERS:
        raise unclear(
            f"{spoken(primitive.name)} is no number: which values are meant? What is said of "
            "something else is another condition, joined with and.",
            where=said.where,
            choices=primitive.labels,
        )
    value = in_unit(quantity, primitive.unit)
    if value is None:
        raise unclear(
            f"How much is {echo(quantity.said)} of {spoken(primitive.name)}? It is written as "
            f"{' or '.join(_written(primitive))}.",
            where=number.where if number is not None else said.where,
            choices=_written(primitive),
        )
    return Comparison("threshold", {"direction": direction, "value": value}, shown)


def by_more(said: Said, number: Said | None) -> Comparison:
    """`by more than 50 %`: a fraction of what it was."""
    quantity = number.quantity if number is not None else None
    if quantity is None or quantity.kind != "ratio":
        raise unclear(
            f"{echo(said.text)} how many percent of what it was?",
            where=said.where,
            choices=("by more than 50 %",),
        )
    return Comparison(
        "change",
        {"value": plain(quantity.amount)},
        f"{said.text} {quantity.said}",
        needs_mapping=True,
    )


def ranked(said: Said, direction: str, number: Said | None) -> Comparison:
    """`in the top 5 %`."""
    quantity = number.quantity if number is not None else None
    if quantity is None or quantity.kind != "ratio":
        raise unclear(
            f"{echo(said.text)} how many percent?",
            where=said.where,
            choices=(f"in the {direction} 5 %",),
        )
    value = plain(quantity.amount / _PERCENT)
    return Comparison(
        "percentile", {"direction": direction, "value": value}, f"{said.text} {quantity.said}"
    )


def seconds_of(said: Said, number: Said | None) -> int:
    """`within 1 hour`: a whole number of seconds."""
    quantity = number.quantity if number is not None else None
    value = plain(quantity.amount) if quantity is not None and quantity.kind == "time" else None
    if not isinstance(value, int) or value < 1:
        raise unclear(
            f"{echo(said.text)} which time?",
            where=said.where,
            choices=("within 30 minutes", "within 1 hour", "within 7 days"),
        )
    return value


def _written(primitive: Primitive) -> list[str]:
    return WRITTEN[primitive.unit].split(", ")
