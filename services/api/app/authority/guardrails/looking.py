"""Looks into histories: what was found, kept for as long as the window stays the same. Pure."""

from collections.abc import Hashable, Sequence
from math import isfinite

from app.authority.guardrails.plans import Look
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Observation, Summary
from app.authority.guardrails.verdicts import Histories


class Live:
    """Summaries of histories as of one time.

    While a window has the same mark it holds the same observations: then a steady strategy's
    summary still holds.
    """

    def __init__(self, rules: Ruleset, histories: Histories, at_us: int) -> None:
        self._memory = rules.remembered(histories)
        self._histories = histories
        self._at_us = at_us
        self._marks: dict[tuple[str, int], Hashable] = {}
        self._windows: dict[tuple[str, int], Sequence[Observation]] = {}

    def of(self, look: Look, series: str) -> Summary:
        mark = (self._mark(series, look.reach_us), None if look.steady else self._at_us)
        key = (look.key, series)
        kept = self._memory.get(key)
        if kept is not None and kept[0] == mark:
            return kept[1]
        found = taken(look, self._window(series, look.reach_us), self._at_us)
        self._memory[key] = mark, found
        return found

    def _mark(self, series: str, reach_us: int) -> Hashable:
        key = (series, reach_us)
        found = self._marks.get(key)
        if found is None:
            found = self._marks[key] = self._histories.mark(
                series, self._at_us - reach_us, self._at_us
            )
        return found

    def _window(self, series: str, reach_us: int) -> Sequence[Observation]:
        key = (series, reach_us)
        found = self._windows.get(key)
        if found is None:
            found = self._histories.of(series, self._at_us - reach_us, self._at_us)
            self._windows[key] = found
        return found


def taken(look: Look, window: Sequence[Observation], at_us: int) -> Summary:
    """Return the summary of a window. Raises ValueError for one that JSON cannot hold."""
    found = dict(look.strategy.summary(window, look.params, at_us))
    for name, number in found.items():
        if not isfinite(number):
            raise ValueError(f"the {name} of the history is beyond every number")
    return found
