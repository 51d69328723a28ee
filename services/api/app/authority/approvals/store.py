"""The only place that reads and writes asks, decisions and claims.

Each change of state is one conditional UPDATE in the same transaction as the event that records it:
of many who try, one finds the state it expects. The table's triggers hold the same lines.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    and_,
    column,
    func,
    or_,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.exc import IntegrityError

from app.authority.approvals.plans import Plan, parse
from app.authority.approvals.transitions import OPEN, Cause, State, after
from app.authority.approvals.values import Ask, Decided
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.domain.refusals import AskNotFound, AskNotOpen, AuditUnavailable

ASK: Final = table("ask", *map(column, Ask.__slots__))
_MOVE: Final = text(
    "UPDATE ask SET state = :state, ended_us = :ended_us, why = :why, run = :run"
    " WHERE id = :id AND state = :was"
)
_REPLAN: Final = text(
    "UPDATE ask SET state = 'feasible', plan = :plan, phrase = :phrase, why = NULL,"
    " approve_by_us = :approve_by_us, execute_by_us = :execute_by_us"
    " WHERE id = :id AND state = 'draft'"
)
_DECIDE: Final = text(
    "INSERT INTO approval (ask, plan, decision, key_id, person, meaning, challenge, proof,"
    " decided_us) VALUES (:ask, :plan, :decision, :key_id, :person, :meaning, :challenge, :proof,"
    " :decided_us)"
)
_CLAIM: Final = text(
    "INSERT INTO execution_claim (plan, attempt, ask, by_actor, claimed_us)"
    " VALUES (:plan, :attempt, :ask, :by_actor, :claimed_us)"
)
_DECIDED: Final = text(
    "SELECT ask, plan, decision, key_id, person, meaning, decided_us FROM approval"
    " WHERE ask = :ask ORDER BY id"
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
        found = self._found(select(ASK).where(ASK.c.id >= ask_id, ASK.c.id < ask_id + "g").limit(2))
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
        query = select(func.count()).where(ASK.c.state.in_([str(state) for state in OPEN]))
        with self._engine.connect() as connection:
            return int(connection.execute(query.select_from(ASK)).scalar_one())

    def made_since(self, since_us: int, asker: str) -> int:
        """How many this asker made since then."""
        query = select(func.count()).select_from(ASK)
        query = query.where(ASK.c.created_us > since_us, ASK.c.asker == asker)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def open_alike(self, act: str, subject: str) -> list[Ask]:
        """Asks for the same act on the same subject that wait or are approved."""
        return self.page(states=(State.PENDING, State.APPROVED), act=act, subject=subject)

    def plan_of(self, ask: Ask) -> Plan:
        """The plan's bytes, whose hash is compared; AuditUnavailable when they are others."""
        with self._engine.connect() as connection:
            query = text("SELECT bytes FROM ledger_blob WHERE digest = :digest")
            found = connection.execute(query, {"digest": ask.plan}).scalar_one_or_none()
        if found is not None and hashlib.sha256(found).hexdigest() == ask.plan:
            return parse(found)
        raise AuditUnavailable(
            f"The bytes of the plan of ask {ask.id} are not those that were recorded. Keep a copy "
            "of LMX_HOME as evidence and look at it with: lmx ledger verify"
        )

    def decisions(self, ask_id: str) -> list[Decided]:
        with self._engine.connect() as connection:
            rows = connection.execute(_DECIDED, {"ask": ask_id}).mappings()
            return [Decided(**row) for row in rows]

    def attempts(self, plan: str) -> int:
        """How often this plan was claimed."""
        with self._engine.connect() as connection:
            query = text("SELECT count(*) FROM execution_claim WHERE plan = :plan")
            return int(connection.execute(query, {"plan": plan}).scalar_one())

    # --- writing ----------------------------------------------------------------------------

    def add(self, ask: Ask, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            connection.execute(ASK.insert(), _row(ask))

    def replan(self, ask: Ask, event: LedgerEvent) -> None:
        """Draw an ask anew that could not be done: it waits for a decision from here on."""
        with self._ledger.recording(event) as connection:
            self._move(connection, ask.id, State.REVISION_REQUIRED, Cause.REVISED)
            connection.execute(_REPLAN, _row(ask))
            self._move(connection, ask.id, State.FEASIBLE, Cause.SUBMITTED)

    def move(self, ask: Ask, cause: Cause, event: LedgerEvent, **ended: Any) -> Ask:
        """Follow the table, record it, and return the ask as it is now. Raises AskNotOpen.

        `ended`: ended_us, why and run, where the ask ends with it.
        """
        with self._ledger.recording(event) as connection:
            self._move(connection, ask.id, ask.state, cause, **ended)
        return self.get(ask.id)

    @contextmanager
    def deciding(self, event: LedgerEvent, row: Mapping[str, Any]) -> Iterator[Connection]:
        """One decision and what follows from it, recorded together."""
        try:
            with self._ledger.recording(event) as connection:
                connection.execute(_DECIDE, row)
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
                connection.execute(_CLAIM, row)
                self._move(connection, ask.id, ask.state, cause)
        except IntegrityError as error:
            raise AskNotOpen(
                f"Ask {ask.id} cannot be executed: {_said(error)}. It may be claimed already: "
                f"lmx approvals show {ask.id}"
            ) from error
        return self.get(ask.id)

    def _move(
        self, connection: Connection, ask_id: str, was: State, cause: Cause, **ended: Any
    ) -> None:
        state = after(was, cause)
        values = {"ended_us": None, "why": None, "run": None, **ended}
        done = connection.execute(
            _MOVE, {"id": ask_id, "was": str(was), "state": str(state), **values}
        )
        if done.rowcount != 1:
            raise AskNotOpen(
                f"Ask {ask_id} is not {was} any more: somebody was faster. Look at it again: "
                f"lmx approvals show {ask_id}"
            )

    def _found(self, query: Select[Any]) -> list[Ask]:
        with self._engine.connect() as connection:
            return [_ask(row) for row in connection.execute(query).mappings()]


def _ask(row: Any) -> Ask:
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
