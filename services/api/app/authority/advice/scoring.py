"""Whether what a proposal predicted came true, from what was measured afterwards. Pure.

What takes time is looked at 7 days after the decision (of one that expired: after it was made);
until then it is too early. What is measured at once is known at once. A prediction came true where

- of the cold starts that were to be avoided at least half were: fewer in the 7 days after than in
  the 7 before; where nobody took the advice, where at least half as many came as it would have
  avoided;
- no more cold starts were caused than predicted and half as many again, or one more; where nobody
  took the advice, where no more requests came that would have had to wait;
- of the bytes that were to be freed at least 80 % were; where nobody took the advice to let a model
  go, where nobody asked that model for anything in those days;
- the first token at the 95th percentile took at most a quarter longer than predicted.

Smaller terms under which a request was refused for its length were bad advice, whatever they freed.
A proposal came true where every prediction did that could be measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.domain.advice.proposals import Kind, Proposal

DAYS: Final = 7


class Verdict(StrEnum):
    CAME_TRUE = "came_true"
    DID_NOT = "did_not"
    TOO_EARLY = "too_early"
    UNKNOWN = "unknown"


class Taken(StrEnum):
    """Whether the advice was followed. `waits`: its ask is open."""

    YES = "yes"
    NO = "no"
    WAITS = "waits"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Requests:
    """What a model, or a name, was asked in a time."""

    requests: int = 0
    cold: int = 0
    ttft_p95_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was measured; None: nothing was, so far. `over`: the 7 days are."""

    taken: Taken
    over: bool
    before: Requests = field(default_factory=Requests)
    after: Requests = field(default_factory=Requests)
    memory_freed_bytes: int | None = None
    disk_freed_bytes: int | None = None
    too_long: int = 0
    """Requests that were refused for their length since then."""


@dataclass(frozen=True, slots=True)
class Score:
    """Numbers by their names: those of PREDICTIONS, `requests`, `cold_starts`,
    `requests_too_long`."""

    verdict: Verdict
    predicted: Mapping[str, int]
    measured: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _One:
    """Of one prediction. `name` where what was measured is called otherwise."""

    verdict: Verdict
    measured: int | None = None
    name: str = ""


def score(proposal: Proposal, seen: Seen) -> Score:
    """What came of all that it predicted."""
    found = {
        name: _MEASURES[name](proposal, seen, predicted)
        for name, predicted in sorted(proposal.predicts.items())
        if name in _MEASURES
    }
    measured = {
        one.name or name: one.measured for name, one in found.items() if one.measured is not None
    }
    verdicts = {one.verdict for one in found.values()}
    if proposal.kind is Kind.TERMS and seen.taken is Taken.YES and seen.too_long:
        measured["requests_too_long"] = seen.too_long
        verdicts.add(Verdict.DID_NOT)
    return Score(_together(verdicts), dict(proposal.predicts), measured)


def _together(verdicts: set[Verdict]) -> Verdict:
    for one in (Verdict.DID_NOT, Verdict.TOO_EARLY, Verdict.CAME_TRUE):
        if one in verdicts:
            return one
    return Verdict.UNKNOWN


# --- each prediction ------------------------------------------------------------------------


def _avoided(_: Proposal, seen: Seen, predicted: int) -> _One:
    if (early := _too_early(seen)) is not None:
        return early
    after = seen.after
    if seen.taken is Taken.NO:
        return _One(_held(2 * after.cold >= predicted), after.cold, "cold_starts")
    fewer = max(0, seen.before.cold - after.cold) if after.requests else 0
    return _One(_held(2 * fewer >= predicted), fewer)


def _caused(_: Proposal, seen: Seen, predicted: int) -> _One:
    if (early := _too_early(seen)) is not None:
        return early
    most = predicted + max(1, predicted // 2)
    if seen.taken is Taken.NO:
        return _One(_held(seen.after.requests <= most), seen.after.requests, "requests")
    return _One(_held(seen.after.cold <= most), seen.after.cold)


def _memory(proposal: Proposal, seen: Seen, predicted: int) -> _One:
    return _freed(proposal, seen, predicted, seen.memory_freed_bytes)


def _disk(proposal: Proposal, seen: Seen, predicted: int) -> _One:
    return _freed(proposal, seen, predicted, seen.disk_freed_bytes)


def _freed(proposal: Proposal, seen: Seen, predicted: int, freed: int | None) -> _One:
    if seen.taken is Taken.YES and freed is not None:
        return _One(_held(100 * freed >= 80 * predicted), freed)
    if (early := _too_early(seen)) is not None:
        return early
    if seen.taken is Taken.NO and proposal.kind in (Kind.UNLOAD, Kind.DELETE, Kind.UNPIN):
        return _One(_held(not seen.after.requests), seen.after.requests, "requests")
    return _One(Verdict.UNKNOWN)


def _first_token(_: Proposal, seen: Seen, predicted: int) -> _One:
    if (early := _too_early(seen)) is not None:
        return early
    took = seen.after.ttft_p95_ms
    if seen.taken is Taken.NO or took is None:
        return _One(Verdict.UNKNOWN)
    return _One(_held(100 * took <= 125 * predicted), took)


_MEASURES: Final[Mapping[str, Callable[[Proposal, Seen, int], _One]]] = {
    "cold_starts_avoided": _avoided,
    "cold_starts_caused": _caused,
    "memory_freed_bytes": _memory,
    "disk_freed_bytes": _disk,
    "ttft_p95_ms": _first_token,
}


def _too_early(seen: Seen) -> _One | None:
    """What is to be said before anything is compared; None: it can be."""
    if seen.taken is Taken.UNKNOWN:
        return _One(Verdict.UNKNOWN)
    if not seen.over or seen.taken is Taken.WAITS:
        return _One(Verdict.TOO_EARLY)
    return None


def _held(holds: bool) -> Verdict:
    return Verdict.CAME_TRUE if holds else Verdict.DID_NOT
