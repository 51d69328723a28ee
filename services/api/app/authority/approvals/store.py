"""The only place that reads and writes asks, decisions and claims.

Each change of state is one conditional UPDATE in the same transaction as the event that records it:
of many who try, one finds the state it expects. The table's triggers hold the same lines.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    and_,
    column,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.exc import IntegrityError

from app.authority.approvals.plans import Plan, parse
from app.authority.approvals.transitions import OPEN, Cause, State, after
from app.authority.approvals.values import Ask, Decided
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ledger.writing import asking_directly
from app.domain.refusals import AskNotFound, AskNotOpen, AuditUnavailable

ASK: Final = table("ask", *map(column, Ask.__slots__))
_MOVE: Final = (
    "UPDATE ask SET state = :state, ended_us = :ended_us, why = :why, run = :run"
    " WHERE id = :id AND state = :was"
)
_REPLAN: Final = (
    "UPDATE ask SET state = 'feasible', plan = :plan, phrase = :phrase, why = NULL,"
    " approve_by_us = :approve_by_us, execute_by_us = :execute_by_us"
    " WHERE id = :id AND state = 'draft'"
)
_DECIDE: Final = (
    "INSERT INTO approval (ask, plan, decision, key_id, person, meaning, challenge, proof,"
    " decided_us) VALUES (:ask, :plan, :decision, :key_id, :person, :meaning, :challenge, :proof,"
    " :decided_us)"
)
_CLAIM: Final = (
    "INSERT INTO execution_claim (plan, attempt, ask, by_actor, claimed_us)"
    " VALUES (:plan, :attempt, :ask, :by_actor, :claimed_us)"
)
_COLUMNS: Final = Ask.__slots__
_GET: Final = f"SELECT {', '.join(_COLUMNS)} FROM ask WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2"  # noqa: S608
_PLAN: Final = "SELECT bytes FROM ledger_blob WHERE digest = ?"
_ATTEMPTS: Final = "SELECT count(*) FROM execution_claim WHERE plan = ?"
_OPEN_COUNT: Final = f"SELECT count(*) FROM ask WHERE state IN ({', '.join('?' * len(OPEN))})"  # noqa: S608
_PENDING_COUNT: Final = "SELECT count(*) FROM ask WHERE state = ?"
_WAITING: Final = "SELECT count(*), min(created_us) FROM ask WHERE state = ?"
_MADE_SINCE: Final = "SELECT count(*) FROM ask WHERE created_us > ? AND asker = ?"
_DECIDED: Final = f"SELECT {', '.join(Decided.__slots__)} FROM approval WHERE ask = ? ORDER BY id"  # noqa: S608
_NOT_ENDED: Final[Mapping[str, Any]] = {"ended_us": None, "why": None, "run": None}
_ADD: Final = (
    f"INSERT INTO ask ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{n}' for n in _COLUMNS)})"  # noqa: S608
)
PAGE: Final = 200
SHORTEST_ID: Final = 3


class Asks:
    """Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self._ledger = ledger
        self._engine = engine

    # --- reading ----------------------------------------------------------------------------

    def get(self, ask_id: str) -> Ask:
        """The ask with this id, or whose id begins so and no other's does. Raises AskNotFound."""
        found = [_ask(dict(zip(_COLUMNS, row, strict=True))) for row in self._rows(_GET, ask_id)]
        if len(found) != 1 or len(ask_id) < SHORTEST_ID:
            raise AskNotFound(f"No ask is called '{ask_id[:40]}'. lmx approvals ls lists them.")
        return found[0]

    def page(
        self,
        *,
        states: Collection[State] = (),
        act: str | None = None,
        subject: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[Ask]:
        """Asks, newest first, from past the ask made at `before` (its time and id)."""
        query = select(ASK).order_by(ASK.c.created_us.desc(), ASK.c.id.desc())
        if states:
            query = query.where(ASK.c.state.in_([str(state) for state in states]))
        if act is not None:
            query = query.where(ASK.c.act == act)
        if subject is not None:
            query = query.where(ASK.c.subject == subject)
        if before is not None:
            query = query.where(tuple_(ASK.c.created_us, ASK.c.id) < before)
        return self._found(query.limit(min(limit, PAGE)))

    def in_state(self, state: State) -> list[Ask]:
        """Every ask in this state, oldest first."""
        query = select(ASK).where(ASK.c.state == str(state))
        return self._found(query.order_by(ASK.c.created_us, ASK.c.id))

    def overdue(self, now_us: int) -> list[Ask]:
        """Asks that wait for something and whose deadline for it is over."""
        waits = ASK.c.state.in_([str(State.PENDING), str(State.REVISION_REQUIRED)])
        return self._found(
            select(ASK)
            .where(
                or_(
                    and_(waits, ASK.c.approve_by_us <= now_us),
                    and_(ASK.c.state == str(State.APPROVED), ASK.c.execute_by_us <= now_us),
                )
            )
            .limit(PAGE)
        )

    def open_count(self) -> int:
        """How many wait for somebody."""
        return int(self._rows(_OPEN_COUNT, *map(str, OPEN))[0][0])

    def pending_count(self) -> int:
        """How many nobody has decided yet."""
        return int(self._rows(_PENDING_COUNT, str(State.PENDING))[0][0])

    def waiting(self) -> tuple[int, int | None]:
        """How many nobody has decided yet, and when the oldest of them was made (UTC, us)."""
        count, oldest_us = self._rows(_WAITING, str(State.PENDING))[0]
        return int(count), oldest_us

    def made_since(self, since_us: int, asker: str) -> int:
        """How many this asker made since then."""
        return int(self._rows(_MADE_SINCE, since_us, asker)[0][0])

    def open_alike(self, act: str, subject: str) -> list[Ask]:
        """Asks for the same act on the same subject that wait or are approved."""
        return self.page(states=(State.PENDING, State.APPROVED), act=act, subject=subject)

    def plan_of(self, ask: Ask) -> Plan:
        """The plan's bytes, whose hash is compared; AuditUnavailable when they are others."""
        found = self._rows(_PLAN, ask.plan)
        if found and hashlib.sha256(found[0][0]).hexdigest() == ask.plan:
            return parse(found[0][0])
        raise AuditUnavailable(
            f"The bytes of the plan of ask {ask.id} are not those that were recorded. Keep a copy "
            "of LMX_HOME as evidence and look at it with: lmx ledger verify"
        )

    def decisions(self, ask_id: str) -> list[Decided]:
        names = Decided.__slots__
        rows = self._rows(_DECIDED, ask_id)
        return [Decided(**dict(zip(names, row, strict=True))) for row in rows]

    def attempts(self, plan: str) -> int:
        """How often this plan was claimed."""
        return int(self._rows(_ATTEMPTS, plan)[0][0])

    # --- writing ----------------------------------------------------------------------------

    def add(self, ask: Ask, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            connection.exec_driver_sql(_ADD, _row(ask))

    def replan(self, ask: Ask, event: LedgerEvent) -> None:
        """Draw an ask anew that could not be done: it waits for a decision from here on."""
        with self._ledger.recording(event) as connection:
            self._move(connection, ask.id, State.REVISION_REQUIRED, Cause.REVISED)
            connection.exec_driver_sql(_REPLAN, _row(ask))
            self._move(connection, ask.id, State.FEASIBLE, Cause.SUBMITTED)

    def move(self, ask: Ask, cause: Cause, event: LedgerEvent, **ended: Any) -> Ask:
        """Follow the table, record it, and return the ask as it is now. Raises AskNotOpen.

        `ended`: ended_us, why and run, where the ask ends with it.
        """
        with self._ledger.recording(event) as connection:
            self._move(connection, ask.id, ask.state, cause, **ended)
        return replace(ask, state=after(ask.state, cause), **{**_NOT_ENDED, **ended})

    @contextmanager
    def deciding(self, event: LedgerEvent, row: Mapping[str, Any]) -> Iterator[Connection]:
        """One decision and what follows from it, recorded together."""
        try:
            with self._ledger.recording(event) as connection:
                connection.exec_driver_sql(_DECIDE, dict(row))
                yield connection
        except IntegrityError as error:
            raise AskNotOpen(
                f"The decision was not taken: {_said(error)}. Look at it again: "
                f"lmx approvals show {row['ask']}"
            ) from error

    def follow(self, connection: Connection, ask: Ask, cause: Cause, **ended: Any) -> None:
        """As `move`, inside a transaction that is open."""
        self._move(connection, ask.id, ask.state, cause, **ended)

    def claim(self, ask: Ask, *, by: str, attempt: int, now_us: int, event: LedgerEvent) -> Ask:
        """Take the one right to execute. Raises AskNotOpen for everybody who comes later."""
        row = {
            "plan": ask.plan,
            "attempt": attempt,
            "ask": ask.id,
            "by_actor": by,
            "claimed_us": now_us,
        }
        cause = Cause.RESUME if ask.state is State.PARTIAL else Cause.CLAIM
        try:
            with self._ledger.recording(event) as connection:
                connection.exec_driver_sql(_CLAIM, row)
                self._move(connection, ask.id, ask.state, cause)
        except IntegrityError as error:
            raise AskNotOpen(
                f"Ask {ask.id} cannot be executed: {_said(error)}. It may be claimed already: "
                f"lmx approvals show {ask.id}"
            ) from error
        return replace(ask, state=after(ask.state, cause), **_NOT_ENDED)

    def _move(
        self, connection: Connection, ask_id: str, was: State, cause: Cause, **ended: Any
    ) -> None:
        state = after(was, cause)
        values = {**_NOT_ENDED, **ended}
        done = connection.exec_driver_sql(
            _MOVE, {"id": ask_id, "was": str(was), "state": str(state), **values}
        )
        if done.rowcount != 1:
            raise AskNotOpen(
                f"Ask {ask_id} is not {was} any more: somebody was faster. Look at it again: "
                f"lmx approvals show {ask_id}"
            )

    def _rows(self, query: str, *values: Any) -> list[Any]:
        """On the driver's connection: an execution asks a dozen small questions in a row."""
        with asking_directly(self._engine) as connection:
            return connection.execute(query, values).fetchall()

    def _found(self, query: Select[Any]) -> list[Ask]:
        with self._engine.connect() as connection:
            return [_ask(dict(row)) for row in connection.execute(query).mappings()]


def _ask(row: dict[str, Any]) -> Ask:
    values = dict(row)
    values["params"] = json.loads(values["params"])
    values["state"] = State(values["state"])
    values["asker_roles"] = tuple(filter(None, values["asker_roles"].split(",")))
    return Ask(**values)


def _row(ask: Ask) -> dict[str, Any]:
    row = {name: getattr(ask, name) for name in Ask.__slots__}
    row["params"] = json.dumps(ask.params, sort_keys=True)
    row["state"] = str(ask.state)
    row["asker_roles"] = ",".join(ask.asker_roles)
    return row


def _said(error: IntegrityError) -> str:
    return str(error.orig).removeprefix("approvals: ")
