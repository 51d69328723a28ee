"""Checks of a document: bounds, priors and windows are possible and agree. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.authority.guardrails.document.context import DIRECTION, WINDOW, Context
from app.authority.guardrails.document.model import Bounds, Number, Priors
from app.authority.guardrails.document.problems import Fault, Path, instead
from app.authority.guardrails.document.windows import EXAMPLES, seconds
from app.authority.guardrails.strategies.base import Parameter, Strategy
from app.authority.guardrails.values import TIERS

Side = Literal["above", "below"]
_NUMBERS = frozenset({"number", "duration"})


@dataclass(frozen=True, slots=True)
class Range:
    """Where a number may lie: from `low` (or only above `open_low`) to `high`; None: no limit."""

    low: Number | None = None
    high: Number | None = None
    open_low: Number | None = None

    def holds(self, number: Number) -> bool:
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.open_low is None or number > self.open_low)
        )

    @property
    def is_empty(self) -> bool:
        return self.high is not None and (
            (self.low is not None and self.low > self.high)
            or (self.open_low is not None and self.open_low >= self.high)
        )

    def within(self, bounds: Bounds | None) -> "Range":
        """What is left of it inside `bounds`."""
        if bounds is None:
            return self
        lows = [each for each in (self.low, bounds.min) if each is not None]
        highs = [each for each in (self.high, bounds.max) if each is not None]
        return Range(max(lows, default=None), min(highs, default=None), self.open_low)

    def __str__(self) -> str:
        low = f"above {self.open_low}" if self.open_low is not None else ""
        low = f"from {self.low}" if self.low is not None and not low else low
        high = f"up to {self.high}" if self.high is not None else ""
        return " ".join(part for part in (low, high) if part) or "any number"


def widest(parameter: Parameter) -> Range:
    """What a strategy's signature allows."""
    return Range(parameter.minimum, parameter.maximum, parameter.exclusive_minimum)


def parameters(context: Context) -> Iterator[Fault]:
    for strategy, named in context.document.parameters.items():
        path: Path = ("parameters", strategy)
        yield from context.unknown(path, strategy)
        signature = context.signature(strategy)
        if signature is None:
            continue
        numbers = {
            name: each for name, each in signature.parameters.items() if each.type in _NUMBERS
        }
        for name, bounds in named.items():
            if name in numbers:
                yield from _bounds((*path, name), bounds, widest(numbers[name]))
                continue
            what = "no parameter with bounds" if name in signature.parameters else "no parameter"
            yield Fault(
                (*path, name), f"{strategy} has {what} {name}: {instead(name, list(numbers))}"
            )


def _bounds(path: Path, bounds: Bounds, allowed: Range) -> Iterator[Fault]:
    if bounds.min is None and bounds.max is None:
        yield Fault(path, "Give min or max, or take it out: no limit is none.")
    elif bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        yield Fault(path, f"min {bounds.min} is above max {bounds.max}: turn them round.")
    for name, limit in (("min", bounds.min), ("max", bounds.max)):
        touches = name == "min" and limit == allowed.open_low
        if limit is not None and not touches and not allowed.holds(limit):
            yield Fault((*path, name), f"{name} must be {allowed}: the strategy takes no other.")


def guides(context: Context) -> Iterator[Fault]:
    """Bounds, priors and windows of each primitive."""
    for name, guide in context.document.primitives.items():
        path: Path = ("primitives", name)
        for strategy, bounds in guide.bounds.items():
            yield from _level_bounds(context, (*path, "bounds", strategy), strategy, bounds)
        for strategy, priors in guide.priors.items():
            yield from _priors(
                context,
                (*path, "priors", strategy),
                strategy,
                priors,
                sides=(guide.worse,),
                bounds=guide.bounds.get(strategy),
            )
        yield from _windows(context, (*path, "windows"), guide.windows)


def defaults(context: Context) -> Iterator[Fault]:
    """Priors and windows for all primitives: nobody knows which side of them is worse."""
    named = context.document.defaults
    for strategy, priors in named.priors.items():
        path: Path = ("defaults", "priors", strategy)
        yield from _priors(context, path, strategy, priors, sides=("above", "below"), bounds=None)
    yield from _windows(context, ("defaults", "windows"), named.windows)


def _level(context: Context, path: Path, strategy: str) -> tuple[str, Range] | Fault | None:
    """A strategy's level parameter and where it may lie; None where the strategy is unknown."""
    signature = context.signature(strategy)
    if signature is None:
        return next(context.unknown(path, strategy))
    if signature.level is None:
        return Fault(path, f"{strategy} has no number that a severity could set: take it out.")
    bounds = context.document.parameters.get(strategy, {}).get(signature.level)
    return signature.level, widest(signature.parameters[signature.level]).within(bounds)


def _level_bounds(context: Context, path: Path, strategy: str, bounds: Bounds) -> Iterator[Fault]:
    found = _level(context, path, strategy)
    if not isinstance(found, tuple):
        if found is not None:
            yield found
        return
    level, allowed = found
    signature = context.strategies[strategy].signature
    yield from _bounds(path, bounds, widest(signature.parameters[level]))
    if (
        not allowed.is_empty
        and allowed.within(bounds).is_empty
        and not Range().within(bounds).is_empty
    ):
        yield Fault(
            path,
            f"Nothing lies within these bounds and those of parameters/{strategy}/{level}, "
            f"{allowed}: widen one of them.",
        )


def _priors(
    context: Context,
    path: Path,
    strategy: str,
    priors: Priors,
    *,
    sides: tuple[Side, ...],
    bounds: Bounds | None,
) -> Iterator[Fault]:
    found = _level(context, path, strategy)
    if not isinstance(found, tuple):
        if found is not None:
            yield found
        return
    level, allowed = found
    possible = widest(context.strategies[strategy].signature.parameters[level])
    hard = context.document.constraints.on_bounds_exceeded == "reject"
    limit = allowed.within(bounds) if hard else possible
    numbers = [
        (tier.value, number) for tier in TIERS if (number := priors.get(tier.value)) is not None
    ]
    for tier, number in numbers:
        if not limit.holds(number):
            yield Fault((*path, tier), f"{tier} is {number}, out of its bounds: write {limit}.")
    rising = {is_rising(context.strategies[strategy], side) for side in sides}
    values = [number for _, number in numbers]
    if not any(values == sorted(values, reverse=not up) for up in rising):
        order = "low <= medium <= high" if True in rising else "low >= medium >= high"
        either = "low, medium and high must rise or fall" if len(rising) > 1 else order
        yield Fault(path, f"Put the priors in order: {either}, so that high is what is rarest.")


def is_rising(strategy: Strategy, side: Side) -> bool:
    """Whether a higher tier has a higher level: whether the condition is met less often there."""
    direction = strategy.signature.parameters.get(DIRECTION)
    params = {DIRECTION: direction.choices[side == "below"]} if direction else {}
    return strategy.stricter(params) == "lower"


def _windows(context: Context, path: Path, windows: Mapping[str, str]) -> Iterator[Fault]:
    for strategy, text in windows.items():
        place = (*path, strategy)
        signature = context.signature(strategy)
        if signature is None:
            yield from context.unknown(place, strategy)
            continue
        if WINDOW not in signature.parameters:
            yield Fault(place, f"{strategy} looks at no window: take it out.")
            continue
        bounds = context.document.parameters.get(strategy, {}).get(WINDOW)
        allowed = widest(signature.parameters[WINDOW]).within(bounds)
        try:
            length = seconds(text)
        except ValueError:
            yield Fault(place, f"{text!r} is no window: write {EXAMPLES}.")
            continue
        if not allowed.holds(length):
            yield Fault(place, f"{text} is {length} seconds, out of its bounds: write {allowed}.")
