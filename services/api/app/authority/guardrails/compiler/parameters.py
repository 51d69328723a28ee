"""Every parameter of the chosen strategy, with the source of its value. Pure.

What the intent says stands as it is: never biased, never clamped, refused outside the bounds. For
the rest the primitive's guide is asked, then the defaults; where both are silent, the user is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

from app.authority.guardrails.compiler.bounds import Limits, limits_of
from app.authority.guardrails.compiler.findings import Findings, unclear
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.severity import shifted, unbiased
from app.authority.guardrails.document.windows import seconds
from app.authority.guardrails.primitives import Primitive
from app.authority.guardrails.strategies.base import Parameter, Signature, Strategy
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.values import (
    TIERS,
    Chosen,
    Clause,
    Parameters,
    Severity,
    Source,
    Tier,
    Value,
)

DIRECTION: Final = "direction"
WINDOW: Final = "window"
LONGEST_WINDOW_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """One clause with what its parameters are looked up for, and where what is wrong is put."""

    clause: Clause
    primitive: Primitive
    strategy: Strategy
    lookup: Lookup
    findings: Findings
    where: str

    @property
    def signature(self) -> Signature:
        return self.strategy.signature

    def at(self, name: str) -> str:
        return f"{self.where}.params.{name}"


def parameters_of(asked: Asked) -> tuple[tuple[Chosen, ...], Severity]:
    """All parameters, in the order of the signature; what is wrong is in the findings."""
    signature, explicit = asked.signature, asked.clause.params
    for name in sorted(set(explicit) - set(signature.parameters)):
        known = ", ".join(signature.parameters) or "none"
        asked.findings.violated(
            "parameter.unknown",
            f"{signature.name} has no parameter {name}: it has {known}",
            asked.at(name),
        )
    severity = _severity(asked)
    found: dict[str, Chosen] = {}
    for name in _level_last(signature):
        chosen = _chosen(asked, name, severity, found)
        if chosen is not None:
            found[name] = chosen
    return tuple(found[name] for name in signature.parameters if name in found), severity


def _level_last(signature: Signature) -> list[str]:
    """Which side of its level is stricter depends on the other parameters."""
    return sorted(signature.parameters, key=lambda name: name == signature.level)


def _severity(asked: Asked) -> Severity:
    level, words = asked.signature.level, asked.clause.severity
    if level is None:
        return unbiased(words, asked.lookup.document, bias="none")
    if level in asked.clause.params:
        return unbiased(words, asked.lookup.document, bias="explicit")
    return shifted(words, asked.lookup)


def _chosen(asked: Asked, name: str, severity: Severity, found: dict[str, Chosen]) -> Chosen | None:
    parameter = asked.signature.parameters[name]
    if name in asked.clause.params:
        return _explicit(asked, name, parameter)
    if name == asked.signature.level:
        return _prior(asked, name, severity, found)
    if name == DIRECTION:
        return _direction(asked, parameter)
    if name == WINDOW:
        return _window(asked)
    if asked.clause.term is not None and parameter.type in {"texts", "boolean"}:
        return _membership(asked, name)
    if parameter.default is not None:
        why = f"strategy {asked.signature.name}"
        return Chosen(name, parameter.default, Source.GLOBAL_DEFAULT, why)
    if parameter.required:
        _ask_for(asked, name)
    return None


# --- said by the user -----------------------------------------------------------------------


def _explicit(asked: Asked, name: str, parameter: Parameter) -> Chosen | None:
    value = asked.clause.params[name]
    wrong = _wrong_type(value, parameter)
    if wrong is not None:
        asked.findings.violated("parameter.type", f"{name} {wrong}", asked.at(name))
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        limits = limits_of(asked.primitive.name, asked.signature, name, asked.lookup)
        if not limits.allow(value):
            _out_of_bounds(asked, name, value, limits)
            return None
    if isinstance(value, tuple):
        value = _texts(asked, name, value)
    return Chosen(name, value, Source.USER_EXPLICIT, "the intent says so")


def _wrong_type(value: Value, parameter: Parameter) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match parameter.type:
        case "number":
            fits = is_number and isfinite(value)  # type: ignore[arg-type]
            return None if fits else "is a number"
        case "duration":
            fits = isinstance(value, int) and is_number and 0 < value <= LONGEST_WINDOW_S
            return None if fits else "is a whole number of seconds, from 1 to a year"
        case "boolean":
            return None if isinstance(value, bool) else "is true or false"
        case "choice":
            return None if value in parameter.choices else f"is {' or '.join(parameter.choices)}"
        case "text":
            return None if isinstance(value, str) else "is a text"
        case "texts":
            fits = isinstance(value, tuple) and bool(value)
            return None if fits else "is a list of at least one text"


def _texts(asked: Asked, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """A list whose order means nothing is written in one order, and nothing in it twice."""
    labels = _labels(asked.primitive)
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


def _labels(primitive: Primitive) -> tuple[str, ...]:
    return ("true", "false") if primitive.type == "boolean" else primitive.labels


# --- looked up ------------------------------------------------------------------------------


def _membership(asked: Asked, name: str) -> Chosen | None:
    """What a phrase for membership says: the values of a set, and whether it is none of them."""
    term = asked.clause.term or ""
    place = ("primitives", asked.primitive.name, "terms", term)
    one_of, none_of = asked.lookup.at(*place, "one_of"), asked.lookup.at(*place, "none_of")
    named = one_of if one_of is not None else none_of
    if named is None:
        asked.findings.asks(
            unclear(
                f"What does {term!r} mean for {asked.primitive.name}? The document has no such "
                "term.",
                where=f"{asked.where}.term",
                choices=_terms(asked),
            )
        )
        return None
    if asked.signature.parameters[name].type == "boolean":
        return Chosen(name, one_of is None, Source.PRIMITIVE_HINT, "/".join(place))
    values = asked.lookup.at("domain", "sets", named)
    if not values:
        asked.findings.asks(
            unclear(
                f"Which values are in the set {named}? It is empty, so {term!r} says nothing.",
                where=f"domain/sets/{named}",
            )
        )
        return None
    return Chosen(
        name, _texts(asked, name, tuple(values)), Source.PRIMITIVE_HINT, _set(place, named)
    )


def _set(place: tuple[str, ...], named: str) -> str:
    return f"{'/'.join(place)}: domain/sets/{named}"


def _terms(asked: Asked) -> list[str]:
    guide = asked.lookup.document.primitives.get(asked.primitive.name)
    return sorted(guide.terms) if guide is not None else []


def _direction(asked: Asked, parameter: Parameter) -> Chosen | None:
    """Upwards is the first choice, downwards the second, any the third, in every strategy."""
    if asked.clause.mapping is not None:
        place = _direction_said(asked)
        if place is not None and place < len(parameter.choices):
            key = f"mappings/{asked.clause.mapping}/direction"
            return Chosen(DIRECTION, parameter.choices[place], Source.MAPPING_RULE, key)
    worse = asked.lookup.at("primitives", asked.primitive.name, "worse")
    chosen = parameter.choices[1 if worse == "below" else 0]
    key = f"primitives/{asked.primitive.name}/worse"
    return Chosen(DIRECTION, chosen, Source.PRIMITIVE_HINT, key)


def _direction_said(asked: Asked) -> int | None:
    mapping = asked.clause.mapping or ""
    said = asked.lookup.at("mappings", mapping, "direction")
    named = asked.lookup.at("mappings", mapping, "strategy")
    if said is None or named not in STRATEGIES:
        return None
    choices = STRATEGIES[named].signature.parameters[DIRECTION].choices
    return choices.index(said) if said in choices else None


def _window(asked: Asked) -> Chosen | None:
    name = asked.signature.name
    for place, source in (
        (("primitives", asked.primitive.name, "windows", name), Source.PRIMITIVE_HINT),
        (("defaults", "windows", name), Source.GLOBAL_DEFAULT),
    ):
        written = asked.lookup.at(*place)
        if written is None:
            continue
        value = seconds(written)
        limits = limits_of(asked.primitive.name, asked.signature, WINDOW, asked.lookup)
        if not limits.allow(value):
            _out_of_bounds(asked, WINDOW, value, limits)
            return None
        return Chosen(WINDOW, value, source, "/".join(place))
    asked.findings.asks(
        unclear(
            f"Over which window is {asked.primitive.name} judged by {name}?",
            where=asked.at(WINDOW),
            choices=("within 1 hour", "within 24 hours", "within 7 days"),
        )
    )
    return None


def _prior(asked: Asked, name: str, severity: Severity, found: dict[str, Chosen]) -> Chosen | None:
    """What the tier stands for: a null is a question, and so is what nobody wrote."""
    for above, source in _priors(asked):
        place = (*above, severity.tier.value)
        if not asked.lookup.has(*place):
            continue
        value = asked.lookup.at(*place)
        if value is None:
            break
        return _bounded(asked, name, value, Chosen(name, value, source, "/".join(place)), found)
    asked.findings.asks(
        unclear(
            f"How much of {asked.primitive.name} is {_tier(severity)}? The document has no prior "
            f"for {asked.signature.name} at {severity.tier.value}: say a number, or another tier.",
            where=asked.at(name),
            choices=[tier.value for tier in _tiers_with_priors(asked)],
        )
    )
    return None


def _priors(asked: Asked) -> Iterator[tuple[tuple[str, ...], Source]]:
    strategy = asked.signature.name
    yield ("primitives", asked.primitive.name, "priors", strategy), Source.PRIMITIVE_HINT
    yield ("defaults", "priors", strategy), Source.GLOBAL_DEFAULT


def _tiers_with_priors(asked: Asked) -> Iterator[Tier]:
    for tier in TIERS:
        for above, _ in _priors(asked):
            if asked.lookup.has(*above, tier.value):
                if asked.lookup.at(*above, tier.value) is not None:
                    yield tier
                break


def _tier(severity: Severity) -> str:
    said = f" ({', '.join(severity.words)})" if severity.words else ""
    moved = f", moved from {severity.said.value}" if severity.tier is not severity.said else ""
    return f"{severity.tier.value}{said}{moved}"


def _bounded(
    asked: Asked, name: str, value: float, chosen: Chosen, found: dict[str, Chosen]
) -> Chosen | None:
    """A prior outside the bounds is moved to the end only where the rule is then met more often."""
    limits = limits_of(asked.primitive.name, asked.signature, name, asked.lookup)
    if limits.allow(value):
        return chosen
    clamps = asked.lookup.at("constraints", "on_bounds_exceeded") == "clamp"
    others: Parameters = {other.name: other.value for other in found.values()}
    if clamps and not (limits.below(value) and limits.open_below) and DIRECTION in found:
        end = limits.low if limits.below(value) else limits.high
        wanted = "higher" if limits.below(value) else "lower"
        stricter = asked.strategy.stricter({**others, name: value})
        if end is not None and limits.allow(end) and stricter == wanted:
            key = limits.low_key if limits.below(value) else limits.high_key
            return Chosen(name, end, chosen.source, f"{chosen.why}: {value}, clamped by {key}")
    _out_of_bounds(asked, name, value, limits)
    return None


def _out_of_bounds(asked: Asked, name: str, value: float, limits: Limits) -> None:
    asked.findings.violated(
        "parameter.bounds",
        f"{asked.signature.name} {name} of {asked.primitive.name} is {value}, and must be "
        f"{limits.broken(value)}",
        asked.at(name),
    )


def _ask_for(asked: Asked, name: str) -> None:
    labels = _labels(asked.primitive)
    asked.findings.asks(
        unclear(
            f"Which {name} of {asked.primitive.name} are meant?"
            + ("" if labels else f' Say: {asked.primitive.name} is "...".'),
            where=asked.at(name),
            choices=[*labels, *_terms(asked)],
        )
    )
