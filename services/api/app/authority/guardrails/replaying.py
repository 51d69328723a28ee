"""Decisions decided again from their records alone, years later if need be. Pure.

A record names every bound condition by its binding hash and holds all readings and summaries, so
the same code must come to the same verdicts, outcome and bytes. `recheck` goes one step further
back, to the history that the summaries were made of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.cases import Case
from app.authority.guardrails.looking import taken
from app.authority.guardrails.plans import MICROS, Look
from app.authority.guardrails.readings import again
from app.authority.guardrails.records import digest_of, from_bytes, is_whole
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Summary
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import (
    ROW,
    Asked,
    CannotRead,
    Histories,
    outcome,
    why,
)

Definitions = Mapping[str, Bound]
"""What decided, by binding hash."""

_MALFORMED: Final = (KeyError, ValueError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Whether everything came out as recorded; if not, what differs, a sentence each."""

    identical: bool
    differences: tuple[str, ...]


def replay(record: bytes, definitions: Definitions, digest: str | None = None) -> Replayed:
    """Decide again what a record holds.

    `digest` is what was kept of the record elsewhere; without it, an altered letter shows by the
    record's own digest, which whoever rewrites a record can rewrite as well.
    """
    return _replayed(tuple(_differences(record, definitions, digest)))


def recheck(record: bytes, histories: Histories) -> Replayed:
    """Compare a record's summaries with those of `histories`, as of the time of the decision."""
    try:
        body = from_bytes(record)
        differences = tuple(_unlike(body, histories))
    except _MALFORMED as error:
        differences = (f"The record cannot be read: {why(error)}.",)
    return _replayed(differences)


def _replayed(differences: tuple[str, ...]) -> Replayed:
    return Replayed(not differences, differences)


def _differences(record: bytes, definitions: Definitions, digest: str | None) -> Iterator[str]:
    if digest is not None and digest_of(record) != digest:
        yield f"The record's SHA-256 is {digest_of(record)}, and {digest} was kept of it."
    if not is_whole(record):
        yield "The record was altered: its bytes are not those that it was sealed with."
    try:
        body = from_bytes(record)
        missing = missing_definitions(body, definitions)
        if missing:
            yield from missing
            return
        asked, rules, case = decided_again(body, definitions)
        if rules.hash != body["rules_here"]:
            yield "The record lacks verdicts of rules that were asked, or has some too many."
        yield from _compared(body, asked, case)
    except _MALFORMED as error:
        yield f"The record cannot be decided again: {why(error)}."


def missing_definitions(body: Mapping[str, Any], definitions: Definitions) -> list[str]:
    """Return a sentence for each condition of a record that nobody kept."""
    named = dict.fromkeys((row[0], row[1], row[2]) for row in _rows(body))
    return [
        f"There is no definition of {task} (version {version}) with the binding hash {hashed}."
        for task, version, hashed in named
        if hashed not in definitions
    ]


def decided_again(
    body: Mapping[str, Any], definitions: Definitions, *, all_said: bool = False
) -> tuple[Asked, Ruleset, Case]:
    """Decide what a record holds once more. Raises KeyError, ValueError where it is malformed."""
    hashes = dict.fromkeys(row[2] for row in _rows(body))
    rules = _ruleset(tuple([definitions[each] for each in hashes]))
    asked = Asked(
        at_us=body["at_us"],
        point=Point(body["point"]),
        subject=body["subject"],
        actor=body["actor"],
    )
    readings = {series: again(said) for series, said in body["readings"].items()}
    case = Case(rules.plan(asked.point), readings, _Recorded(body["summaries"]), all_said=all_said)
    case.ask(asked)
    return asked, rules, case


@lru_cache(maxsize=256)
def _ruleset(bounds: tuple[Bound, ...]) -> Ruleset:
    """Decisions of the same rules follow each other: they are prepared once."""
    return Ruleset(bounds)


def _rows(body: Mapping[str, Any]) -> Iterator[Any]:
    yield from body["verdicts"]
    yield from body["errors"]
    yield from body["unasked"]


class _Recorded:
    """The summaries that a record holds."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = {
            (name, orjson.dumps(params, option=orjson.OPT_SORT_KEYS), series): summary
            for series, name, params, summary in rows
        }

    def of(self, look: Look, series: str) -> Summary:
        found: dict[str, Any] | None = self._rows.get((*look.key, series))
        if found is None:
            raise CannotRead(f"no summary of {series} for {look.name} was recorded")
        if isinstance(found.get("error"), str):
            raise CannotRead(found["error"])
        return found


# --- what differs ---------------------------------------------------------------------------


def _compared(body: Mapping[str, Any], asked: Asked, case: Case) -> Iterator[str]:
    verdicts = _plain(case.rows)
    errors = _plain([failure[:] for failure in case.failures])
    if (verdicts, errors) != (body["verdicts"], body["errors"]):
        yield from _row_by_row([*body["verdicts"], *body["errors"]], [*verdicts, *errors])
    follows = outcome(asked.point, case.met, case.failures)
    if follows != body["outcome"]:
        yield f"The outcome was recorded as {body['outcome']}; decided again it is {follows}."
    if _plain(case.readings()) != body["readings"]:
        yield "The record lacks readings that were decided by."
    if _plain(case.summaries()) != body["summaries"]:
        yield "The record holds summaries that nothing was decided by, or lacks some."


def _row_by_row(recorded: Sequence[Any], decided: Sequence[Any]) -> Iterator[str]:
    before = {tuple(row[:4]): row for row in recorded}
    after = {tuple(row[:4]): row for row in decided}
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        if was != now:
            of = f" of {key[3]}" if key[3] else ""
            yield (
                f"{key[0]} (version {key[1]}){of} was recorded as {_in_words(was)}; "
                f"decided again it is {_in_words(now)}."
            )
    if before == after:
        yield "The verdicts are recorded in another order, or more than once."


def _in_words(row: Sequence[Any] | None) -> str:
    if row is None:
        return "nothing"
    if len(row) != ROW:
        return f"an error ({row[-1]})"
    _, _, _, _, action, triggered, reason, measures = row
    said = "met" if triggered is True else "not met" if triggered is False else repr(triggered)
    details = [str(reason)] if reason else []
    details += [repr(measure) for measure in measures if measure is not None]
    return f"{said} ({', '.join([*details, str(action)])})"


def _unlike(body: Mapping[str, Any], histories: Histories) -> Iterator[str]:
    at_us = body["at_us"]
    for series, name, params, recorded in body["summaries"]:
        if "error" in recorded:
            continue  # there was none then, which later history does not gainsay
        kind, _, version = name.partition("@")
        made = strategy(kind, int(version))
        reach_us = made.reach(params) * MICROS
        look = Look(0, made, params, name, (name, b""), reach_us, False)
        found = taken(look, histories.of(series, at_us - reach_us, at_us), at_us)
        if found != recorded:
            yield f"{series} for {name} was recorded as {recorded}; its history says {found}."


def _plain(value: Any) -> Any:
    """What a record would hold of it."""
    return orjson.loads(orjson.dumps(value))
