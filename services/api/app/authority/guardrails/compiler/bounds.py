"""What a parameter may be at all: the strategy's limits, narrowed by the document. Pure."""

from dataclasses import dataclass

from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.strategies.base import Parameter, Signature


@dataclass(frozen=True, slots=True)
class Limits:
    """Both ends included unless `open_below`; None is no limit. `low_key` and `high_key` say whose
    limit each end is."""

    low: float | None = None
    high: float | None = None
    open_below: bool = False
    low_key: str = ""
    high_key: str = ""

    def allow(self, value: float) -> bool:
        return not self.below(value) and not self.above(value)

    def below(self, value: float) -> bool:
        return self.low is not None and (
            value < self.low or (self.open_below and value == self.low)
        )

    def above(self, value: float) -> bool:
        return self.high is not None and value > self.high

    def broken(self, value: float) -> str:
        """Which limit `value` breaks, and whose it is."""
        if self.below(value):
            return f"{'more than' if self.open_below else 'at least'} {self.low} ({self.low_key})"
        return f"at most {self.high} ({self.high_key})"


def limits_of(primitive: str, signature: Signature, name: str, lookup: Lookup) -> Limits:
    """The intersection of what the strategy, the document and the primitive's guide allow.

    The guide's bounds are about the strategy's level alone.
    """
    parameter: Parameter = signature.parameters[name]
    found = _own(parameter, signature.name)
    places: list[tuple[str, ...]] = [("parameters", signature.name, name)]
    if name == signature.level:
        places.append(("primitives", primitive, "bounds", signature.name))
    for place in places:
        found = _narrowed(found, place, lookup)
    return found


def _own(parameter: Parameter, strategy: str) -> Limits:
    open_below = parameter.exclusive_minimum is not None
    return Limits(
        low=parameter.exclusive_minimum if open_below else parameter.minimum,
        high=parameter.maximum,
        open_below=open_below,
        low_key=f"strategy {strategy}",
        high_key=f"strategy {strategy}",
    )


def _narrowed(limits: Limits, place: tuple[str, ...], lookup: Lookup) -> Limits:
    low, high = lookup.at(*place, "min"), lookup.at(*place, "max")
    key = "/".join(place)
    raises = low is not None and (limits.low is None or low > limits.low)
    lowers = high is not None and (limits.high is None or high < limits.high)
    return Limits(
        low=low if raises else limits.low,
        high=high if lowers else limits.high,
        open_below=limits.open_below and not raises,
        low_key=f"{key}/min" if raises else limits.low_key,
        high_key=f"{key}/max" if lowers else limits.high_key,
    )
