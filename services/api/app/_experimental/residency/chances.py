"""How likely each model is to be used in the hours to come.

In an hour that a calendar foretells and the one before it did not: by that calendar's record. In
every other hour by what the hour before it was like, as often as such hours had use before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app._experimental.residency.hours import DAY, Hours
from app._experimental.residency.records import DRAWN, Expectation, believed, rate

BELIEVED: Final = 0.5
"""A model is foretold for an hour where at least this share of such starts came."""


@dataclass(frozen=True, slots=True)
class Chances:
    """Of one model. `now`: of use in the hour that begins; `later`: in an hour after it that
    nothing foretells."""

    expected: tuple[Expectation, ...]
    hour: int
    now: float
    later: float

    def why(self, ahead: int) -> Expectation | None:
        """What foretells use in the hour that begins so many hours from now."""
        bit = 1 << self.hour + ahead
        return next(
            (one for one in self.expected if one.hours & bit and one.chance >= BELIEVED), None
        )

    def at(self, ahead: int) -> float:
        if not ahead:
            return self.now
        bit = 1 << self.hour + ahead
        return next((one.chance for one in self.expected if one.hours & bit), self.later)

    def within(self, hours: int) -> float:
        """The chance of any use in so many hours from now."""
        none = 1.0
        for ahead in range(hours):
            none *= 1 - self.at(ahead)
        return 1 - none


def chances_of(hours: Hours) -> dict[str, Chances]:
    """Of every model that was ever used. Nothing is known before two days are over."""
    if hours.now < 2 * DAY:
        return {}
    known = hours.past & ~((1 << DAY) - 1)
    return _with_rates(hours, known, believed(hours, known))


def _with_rates(
    hours: Hours, known: int, of: Mapping[str, list[Expectation]]
) -> dict[str, Chances]:
    """Each model's rates by what the hour before was like, drawn towards those of all models."""
    foretold = {model: _foretold(found) for model, found in of.items()}
    seen = {
        model: [
            ((kind & known & used).bit_count(), (kind & known).bit_count())
            for kind in _kinds(used, foretold[model])
        ]
        for model, used in hours.used.items()
    }
    pooled = [
        rate(sum(right for right, _ in column), sum(tried for _, tried in column))
        for column in zip(*seen.values(), strict=True)
    ]
    found = {}
    for model, used in hours.used.items():
        rates = [
            (right + DRAWN * usual) / (tried + DRAWN)
            for (right, tried), usual in zip(seen[model], pooled, strict=True)
        ]
        kinds = _kinds(used, foretold[model])
        now = next((r for r, kind in zip(rates, kinds, strict=True) if kind >> hours.now & 1), None)
        if now is None:  # a start
            now = next(one.chance for one in of[model] if one.hours >> hours.now & 1)
        found[model] = Chances(tuple(of[model]), hours.now, now, rates[_UNUSED])
    return found


_UNUSED: Final = 0


def _kinds(used: int, foretold: int) -> tuple[int, ...]:
    """Every hour but starts, by kind. Not foretold: after an hour without use, after one with use
    that was foretold, after one with use that was not. Foretold: after use; after an hour that was
    foretold and came to nothing, where there was use shortly before and where there was none."""
    after_use, after_foretold, recent = used << 1, foretold << 1, used << 2 | used << 3
    return (
        ~foretold & ~after_use,
        ~foretold & after_use & after_foretold,
        ~foretold & after_use & ~after_foretold,
        foretold & after_use,
        foretold & ~after_use & after_foretold & recent,
        foretold & ~after_use & after_foretold & ~recent,
    )


def _foretold(found: Iterable[Expectation]) -> int:
    hours = 0
    for one in found:
        if one.chance >= BELIEVED:
            hours |= one.hours
    return hours
