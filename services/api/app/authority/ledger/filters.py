"""The only place that says what may be asked of the ledger, and how a row answers it. Pure.

A filter becomes conditions with bound values: nothing that was asked is ever part of a statement.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

from app.evidence.indexing import IndexRow

LARGEST: Final = 2**63 - 1
SAYS: Final = "lmx_says"
"""The SQL function, lent to a connection for one question, that looks for words in a reason."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What an event must be like; everything that is given must hold. Times are UTC.

    `until_us` is exclusive. `role` is one role the actor had then. `text` is words that must all
    occur in the reason, whatever their case.
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
        case _:
            return bool(getattr(row, name) == value)


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
    value = getattr(wanted, name)
    if name == "since_us":
        return Condition("ts_utc_us >= ?", (bounded(value),))
    if name == "until_us":
        return Condition("ts_utc_us < ?", (bounded(value),))
    if name == "text":
        return Condition(f"{SAYS}(reason)", ())
    if name == "role":
        return Condition("instr(roles, ?) > 0", (f",{value},",))
    return Condition(f"{name} = ?", (value,))


def _storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character: no row can hold it
        return False
    return True
