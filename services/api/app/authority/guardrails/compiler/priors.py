"""The number that a tier stands for: looked up, never invented. Pure."""

from collections.abc import Iterator, Mapping

from app.authority.guardrails.compiler.asked import Asked, out_of_bounds
from app.authority.guardrails.compiler.bounds import limits_of
from app.authority.guardrails.compiler.findings import unclear
from app.authority.guardrails.values import TIERS, Chosen, Severity, Source, Tier


def prior_of(
    asked: Asked, name: str, severity: Severity, found: Mapping[str, Chosen]
) -> Chosen | None:
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
    asked: Asked, name: str, value: float, chosen: Chosen, found: Mapping[str, Chosen]
) -> Chosen | None:
    """A prior outside the bounds is moved to the end only where the rule is then met more often."""
    limits = limits_of(asked.primitive.name, asked.signature, name, asked.lookup)
    if limits.allow(value):
        return chosen
    clamps = asked.lookup.at("constraints", "on_bounds_exceeded") == "clamp"
    raises = limits.below(value)
    end, key = (limits.low, limits.low_key) if raises else (limits.high, limits.high_key)
    complete = len(found) == len(asked.signature.parameters) - 1
    if clamps and complete and end is not None and limits.allow(end):
        others = {other.name: other.value for other in found.values()}
        met_more = asked.strategy.stricter({**others, name: value}) == (
            "higher" if raises else "lower"
        )
        if met_more is not asked.negated:
            return Chosen(name, end, chosen.source, f"{chosen.why}: {value}, clamped by {key}")
    out_of_bounds(asked, name, value, limits)
    return None
