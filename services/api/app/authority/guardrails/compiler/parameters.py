"""Every parameter of the chosen strategy, with the source of its value. Pure.

What the intent says stands as it is: never biased, never clamped, refused outside the bounds. For
the rest the primitive's guide is asked, then the defaults; where both are silent, the user is.
"""

from typing import Final

from app.authority.guardrails.compiler.asked import (
    Asked,
    labels_of,
    out_of_bounds,
    terms_of,
    texts_of,
)
from app.authority.guardrails.compiler.bounds import limits_of
from app.authority.guardrails.compiler.explicit import explicit
from app.authority.guardrails.compiler.findings import unclear
from app.authority.guardrails.compiler.offering import phrase_for
from app.authority.guardrails.compiler.priors import prior_of
from app.authority.guardrails.compiler.severity import shifted, unbiased
from app.authority.guardrails.document.windows import seconds
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.base import Parameter, Signature
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.strategies.wording import period
from app.authority.guardrails.values import Chosen, Severity, Source
from app.domain.refusals import IntentUnclear

DIRECTION: Final = "direction"
WINDOW: Final = "window"
SET: Final = ": domain/sets/"
"""Behind a phrase of membership, before the name of its set: why values are what they are."""
COUNTED_S: Final = {"per hour": 3600}
"""Units that say themselves over how long is counted: that window is no other one."""


def parameters_of(asked: Asked) -> tuple[tuple[Chosen, ...], Severity]:
    """All parameters, in the order of the signature; what is wrong is in the findings."""
    signature, explicit = asked.signature, asked.clause.params
    for name in sorted(set(explicit) - set(signature.parameters)):
        if name == WINDOW and asked.clause.params[name] == COUNTED_S.get(asked.primitive.unit):
            continue
        if name == WINDOW:
            asked.findings.asks(_no_window(asked))
            continue
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


def _no_window(asked: Asked) -> IntentUnclear:
    """A time was said where none is looked back over: what may have been meant instead."""
    about = phrase_for(asked.primitive.name, asked.lookup.document)
    value = asked.clause.params[WINDOW]
    over = period(value)
    if asked.primitive.unit in COUNTED_S:
        question = (
            f"How many {asked.primitive.unit}? That is how {about} is counted, not over {over}."
        )
        choices = ["in the last hour", "per hour"]
    elif asked.primitive.is_series:
        question = f"What about {over}? {about} is compared as it is at one moment."
        choices = [f"in the top 5 % in the last {over}", f"rises by more than 50 % within {over}"]
    else:
        question = f"What about {over}? {about} is only looked at as it is at the act."
        ages = [each for each in PRIMITIVES.values() if each.unit == "days"]
        choices = [
            f"{phrase_for(each.name, asked.lookup.document)} above {over}"
            for each in ages
            if each.name in asked.lookup.document.primitives and each != asked.primitive
        ]
    return unclear(question, where=asked.at(WINDOW), choices=choices)


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
        return explicit(asked, name, parameter)
    if name == asked.signature.level:
        return prior_of(asked, name, severity, found)
    if name == DIRECTION:
        return _direction(asked, parameter)
    if name == WINDOW:
        return _window(asked)
    if asked.clause.term is not None and parameter.type in {"texts", "boolean"}:
        return _membership(asked, name)
    return _own_default(asked, name, parameter)


def _own_default(asked: Asked, name: str, parameter: Parameter) -> Chosen | None:
    if parameter.default is None:
        _ask_for(asked, name)
        return None
    why = f"strategy {asked.signature.name}"
    return Chosen(name, parameter.default, Source.GLOBAL_DEFAULT, why)


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
                choices=terms_of(asked),
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
        name, texts_of(asked, name, tuple(values)), Source.PRIMITIVE_HINT, _set(place, named)
    )


def _set(place: tuple[str, ...], named: str) -> str:
    return f"{'/'.join(place)}{SET}{named}"


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
            out_of_bounds(asked, WINDOW, value, limits)
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


def _ask_for(asked: Asked, name: str) -> None:
    labels = labels_of(asked.primitive)
    asked.findings.asks(
        unclear(
            f"Which {name} of {asked.primitive.name} are meant?"
            + ("" if labels else f' Say: {asked.primitive.name} is "...".'),
            where=asked.at(name),
            choices=[*labels, *terms_of(asked)],
        )
    )
