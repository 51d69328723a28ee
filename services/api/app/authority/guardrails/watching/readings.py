"""How everything that guardrails watch is read: one table, a line for each primitive.

A reader that fails leaves its exception in the place of a reading: an act that depends on it is
denied. Nothing to read (no request in five minutes) is another thing: a reading of null.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app.authority import feasibility
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.series import series_key
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Point, Scalar, Scope
from app.authority.guardrails.watching.recent import Recent
from app.authority.guardrails.watching.subjects import ABOUT, Models, Subject
from app.authority.guardrails.watching.traffic import Traffic
from app.authority.policy.decisions import Question
from app.authority.ports import Clock

NULL: Final = Reading(None, Reason.NULL_INPUT)
Wanted = Iterable[tuple[str, Scope]]
Read = dict[str, Reading | Exception]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where numbers of the whole system come from; wiring knows who answers."""

    models: Models
    recent: Recent
    traffic: Traffic
    clock: Clock
    promised_bytes: Callable[[], int]
    """Memory that loads were promised and have not taken."""
    waiting: Callable[[], int]
    """Requests that wait for a model."""
    pending: Callable[[], int]
    """Asks that nobody has decided."""
    sink_lag: Callable[[], int]
    """Events that the copy of the ledger which is furthest behind lacks."""


Reader = Callable[[Sources, Scope, int], Mapping[str, float]]
"""What is read at a moment, by model or key; by "" for all."""


def _pressure(sources: Sources, _: Scope, __: int) -> dict[str, float]:
    reading = sources.models.probe.read()
    return {"": 1 - reading.available_bytes / reading.total_bytes}


def _headroom(sources: Sources, _: Scope, __: int) -> dict[str, float]:
    budget = feasibility.budget(
        sources.models.probe.read(),
        promised_untaken_bytes=sources.promised_bytes(),
        now=sources.clock.monotonic(),
    )
    return {"": budget.budget_bytes}


def _counted(what: str) -> Reader:
    return lambda sources, scope, now_us: sources.recent.counts(what, scope, now_us)


SYSTEM: Final[Mapping[str, Reader]] = {
    "memory_pressure": _pressure,
    "memory_headroom": _headroom,
    "load_failures": _counted("load_failures"),
    "evictions": _counted("evictions"),
    "queue_depth": lambda sources, _, __: {"": sources.waiting()},
    "latency": lambda sources, scope, now_us: sources.traffic.latency(scope, now_us),
    "tokens_per_second": lambda s, scope, now_us: s.traffic.tokens_per_second(scope, now_us),
    "error_rate": lambda sources, scope, now_us: sources.traffic.error_rate(scope, now_us),
    "blocked_attempts": _counted("blocked_attempts"),
    "deletes_asked": _counted("deletes_asked"),
    "approvals_pending": lambda sources, _, __: {"": sources.pending()},
    "sink_lag": lambda sources, _, __: {"": sources.sink_lag()},
}
"""How each number of the whole system is read."""

EVERY_SERIES: Final = tuple((name, Scope.ALL) for name in SYSTEM)
"""What is sampled on every tick, whatever is bound: who writes a rule finds a history."""

_ZERO_WITHOUT: Final = frozenset(
    {"load_failures", "evictions", "blocked_attempts", "deletes_asked"}
)
"""Counts: of a model or key that is not among them, nothing happened."""


def at_point(sources: Sources, question: Question, point: Point, wanted: Wanted, now: int) -> Read:
    """What was read for an act at `now` (microseconds): for a scope, of its own model or key."""
    subject = Subject(question, point, now, sources.models)
    read: Read = {}
    for name, scope in sorted(wanted):
        key = {Scope.ALL: "", Scope.MODEL: question.subject, Scope.ACTOR: question.actor.id}[scope]
        read[series_key(name, scope, key)] = _read(name, scope, key, subject, sources)
    return read


def on_tick(sources: Sources, wanted: Wanted, now: int) -> Read:
    """Every number of `wanted` at `now`: for a scope, of every model or key that there is."""
    read: Read = {}
    for name, scope in sorted({*wanted}):
        try:
            found: dict[str, float | None] = dict(SYSTEM[name](sources, scope, now))
        except Exception as error:  # noqa: BLE001 - whatever it is, the tick's rules are told
            read[series_key(name, scope)] = error
            continue
        if scope is Scope.MODEL and name in _ZERO_WITHOUT:
            found = {**dict.fromkeys(sources.models.catalog.ids(), 0), **found}
        if scope is Scope.ALL:
            found = found or {"": None}
        for key, value in sorted(found.items()):
            read[series_key(name, scope, key)] = _reading(value)
    return read


def _read(
    name: str, scope: Scope, key: str, subject: Subject, sources: Sources
) -> Reading | Exception:
    try:
        if PRIMITIVES[name].about_subject:
            return _reading(ABOUT[name](subject))
        found = SYSTEM[name](sources, scope, subject.at_us)
        without = 0 if name in _ZERO_WITHOUT else None
        return _reading(found.get(key, without))
    except Exception as error:  # noqa: BLE001 - whatever it is, what depends on it is denied
        return error


def _reading(value: Scalar | None) -> Reading:
    return NULL if value is None else Reading(value)
