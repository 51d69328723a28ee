"""The only place that says what may be asked of the ledger, and how a row answers it. Pure.

A filter becomes conditions with bound values: nothing that was asked is ever part of a statement.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, NamedTuple

from app.evidence.indexing import IndexRow

LARGEST: Final = 2**63 - 1
DIGEST_LENGTH: Final = 64
NAMED_RUN: Final = (
    "run IS NOT NULL AND run <> CAST(seq AS TEXT) AND run IS NOT CAST(intent_seq AS TEXT)"
)
"""Where an event's run is no number of an event: what `ledger_index_run` holds."""
# A refusal of an attempt that its act had recorded names that run again; it is one run.
_EARLIER: Final = (
    "SELECT 1 FROM ledger_index AS earlier INDEXED BY ledger_index_run "
    "WHERE earlier.run = ledger_index.run AND earlier.run IS NOT NULL "
    "AND earlier.run <> CAST(earlier.seq AS TEXT) "
    "AND earlier.run IS NOT CAST(earlier.intent_seq AS TEXT) AND earlier.seq < ledger_index.seq"
)
_HAS_RUN: Final = (
    f"length(run) = {DIGEST_LENGTH} AND (kind <> 'refusal' OR NOT EXISTS ({_EARLIER}))"
)
SAYS: Final = "lmx_says"
"""The SQL function, lent to a connection for one question, that looks for words in a reason."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What an event must be like; everything that is given must hold. Times are UTC.

    `until_us` is exclusive. `role` is one role the actor had then. `text` is words that must all
    occur in the reason, whatever their case. `run` is the digest of a run, or the number of the
    event that began an attempt: then it finds what ended the attempt too. `has_run`: the event
    recorded a run, and no earlier one named the same.
    """

    since_us: int | None = None
    until_us: int | None = None
    kind: str | None = None
    action: str | None = None
    actor: str | None = None
    person: str | None = None
    role: str | None = None
    outcome: str | None = None
    model: str | None = None
    digest: str | None = None
    plan: str | None = None
    run: str | None = None
    request_id: str | None = None
    subject: str | None = None
    text: str | None = None
    has_run: bool | None = None

    @property
    def words(self) -> tuple[str, ...]:
        return tuple((self.text or "").casefold().split())

    @property
    def impossible(self) -> bool:
        """Whether something in it can be in no row: half a character, or two roles as one."""
        texts = [value for name in self.given if isinstance(value := getattr(self, name), str)]
        return "," in (self.role or "") or not all(map(_storable, texts))

    @property
    def given(self) -> frozenset[str]:
        """Names of the filters that narrow anything down."""
        named = {f.name for f in fields(self) if getattr(self, f.name) is not None}
        return frozenset(named if self.words else named - {"text"})


class Condition(NamedTuple):
    """SQL over `ledger_index` and the values bound to its question marks."""

    sql: str
    values: tuple[Any, ...]


def conditions(wanted: Filter, *, except_for: Collection[str] = ()) -> Condition:
    """What a row must fulfil, less the filters that the chosen index has seen to already."""
    parts = [_condition(name, wanted) for name in sorted(wanted.given - set(except_for))]
    return joined(parts)


def joined(parts: Collection[Condition]) -> Condition:
    sql = " AND ".join(part.sql for part in parts) or "1"
    return Condition(sql, tuple(value for part in parts for value in part.values))


def matches(wanted: Filter, row: IndexRow) -> bool:
    """Whether an event is like that, by what its own body says."""
    return all(_matches(name, wanted, row) for name in wanted.given)


def _matches(name: str, wanted: Filter, row: IndexRow) -> bool:
    value = getattr(wanted, name)
    match name:
        case "since_us":
            return row.ts_utc_us >= int(value)
        case "until_us":
            return row.ts_utc_us < int(value)
        case "role":
            return "," not in value and f",{value}," in row.roles
        case "text":
            return says(wanted.words)(row.reason)
        case "run":
            return value in (row.run, str(row.intent_seq))
        case _:
            given = has_run(row) if name == "has_run" else getattr(row, name)
            return bool(given == value)


def has_run(row: IndexRow) -> bool:
    """Whether the event names a run by its digest."""
    return len(row.run or "") == DIGEST_LENGTH


def says(words: tuple[str, ...]) -> Callable[[str | None], bool]:
    """Return whether a reason holds every word; reasons repeat, so answers are remembered."""
    known: dict[str, bool] = {}

    def answer(reason: str | None) -> bool:
        if reason is None:
            return False
        found = known.get(reason)
        if found is None:
            if len(known) >= 50_000:
                known.clear()
            folded = reason.casefold()
            found = known[reason] = all(word in folded for word in words)
        return found

    return answer


def bounded(number: int) -> int:
    """The nearest number that the database can hold."""
    return max(-LARGEST, min(number, LARGEST))


def _condition(name: str, wanted: Filter) -> Condition:
    return _CONDITIONS.get(name, partial(_equal, name))(getattr(wanted, name))


def _equal(name: str, value: Any) -> Condition:
    return Condition(f"{name} = ?", (value,))


_CONDITIONS: Final[Mapping[str, Callable[[Any], Condition]]] = {
    "since_us": lambda value: Condition("ts_utc_us >= ?", (bounded(value),)),
    "until_us": lambda value: Condition("ts_utc_us < ?", (bounded(value),)),
    "text": lambda _: Condition(f"{SAYS}(reason)", ()),
    "role": lambda value: Condition("instr(roles, ?) > 0", (f",{value},",)),
    "run": lambda value: Condition("(run = ? OR CAST(intent_seq AS TEXT) = ?)", (value, value)),
    "has_run": lambda _: Condition(_HAS_RUN, ()),
}
"""Filters that are more than a column's value."""


def _storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character: no row can hold it
        return False
    return True
