"""The only place that reads and writes proposals.

What was proposed and what was decided each share one transaction with the event that records it. A
change of state is one conditional UPDATE: of many who try, one finds the state it expects. The
table's triggers hold the same lines. That a proposal was seen again, or that its time is over, is
no event of its own: the one that recorded it says until when it is open. Rows are never deleted:
the ledger keeps the same bytes, so that the table grows no faster than what nobody may delete.
"""

import threading
from collections.abc import Mapping
from typing import Any, Final

import structlog
from sqlalchemy import Engine, LargeBinary, cast, column, select, table, tuple_
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.authority.advice.kept import Damaged, Kept, State
from app.authority.advice.limits import Decided, Taken
from app.authority.advice.rows import COLUMNS, NUMBERS, read_row, row_of
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.store import Ledger
from app.authority.ledger.writing import asking_directly, writing
from app.domain.advice.proposals import Kind
from app.domain.refusals import ProposalEnded, ProposalNotFound

log = structlog.get_logger(__name__)

PAGE: Final = 200
SHORTEST_ID: Final = 3
LONGEST_ID: Final = 8
SEEN_EVERY_US: Final = 60_000_000
"""That a bot proposes the same again is written this seldom, however often it does."""

_PROPOSAL: Final = table("advice_proposal", *map(column, COLUMNS))
_READ: Final = tuple(
    one if one.name in NUMBERS else cast(one, LargeBinary).label(one.name) for one in _PROPOSAL.c
)
_ADD: Final = (
    f"INSERT INTO advice_proposal ({', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
)
_SEEN: Final = (
    "UPDATE advice_proposal SET seen = seen + 1, seen_us = :now"
    " WHERE id = :id AND state = 'open' AND seen_us <= :before"
)
_LAST_SEEN: Final = "SELECT max(seen_us) FROM advice_proposal WHERE author = ?"
_LAST_DECIDED: Final = (
    "SELECT CAST(id AS BLOB), CAST(state AS BLOB), decided_us, CAST(reason AS BLOB)"
    " FROM advice_proposal WHERE same = ? AND state IN ('accepted', 'dismissed')"
    " AND decided_us IS NOT NULL ORDER BY decided_us DESC LIMIT 1"
)
_DUE: Final = "SELECT 1 FROM advice_proposal WHERE state = 'open' AND expires_us <= ? LIMIT 1"
_EXPIRE: Final = (
    "UPDATE advice_proposal SET state = 'expired' WHERE state = 'open' AND expires_us <= :now"
)
_EXPIRE_ONE: Final = (
    "UPDATE advice_proposal SET state = 'expired' WHERE state = 'open' AND id = :id"
)
_DECIDE: Final = (
    "UPDATE advice_proposal SET state = :state, decided_us = :now, decided_by = :by,"
    " reason = :reason WHERE id = :id AND state = 'open' AND expires_us > :now"
)
_END: Final = (
    "UPDATE advice_proposal SET outcome = :outcome, ask = :ask, run = :run, refusal = :refusal"
    " WHERE id = :id AND state = 'accepted' AND outcome IS NULL"
)
_TAKEN: Final = (
    "SELECT count(*) FILTER (WHERE state = 'open' AND expires_us > :now),"
    " count(*) FILTER (WHERE state = 'open' AND expires_us > :now AND author = :author),"
    " count(*) FILTER (WHERE created_us > :since AND author = :author)"
    " FROM advice_proposal WHERE state = 'open' OR created_us > :since"
)


class Proposals:
    """Every method may be called from any thread. Reading raises AuditUnavailable; of several
    rows, one that is damaged is told as such beside the others."""

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self._ledger = ledger
        self._engine = engine
        self._told: set[str] = set()
        self._telling = threading.Lock()

    # --- reading ----------------------------------------------------------------------------

    def get(self, proposal_id: str) -> Kept:
        """The one with this id, or whose id begins so and no other's does. Raises
        ProposalNotFound; AuditUnavailable where it is damaged."""
        found: list[Kept | Damaged] = []
        if SHORTEST_ID <= len(proposal_id) <= LONGEST_ID and proposal_id.isalnum():
            begins = _PROPOSAL.c.id.between(proposal_id, f"{proposal_id}g")
            found = self._found(select(*_READ).where(begins).limit(2))
        if len(found) != 1 or not found[0].id.startswith(proposal_id):
            raise ProposalNotFound(
                f"No proposal is called {proposal_id[:40]!a}. lmx advice ls lists them."
            )
        if isinstance(found[0], Damaged):
            raise found[0].refusal()
        return found[0]

    def page(
        self,
        *,
        state: State | None = None,
        kind: Kind | None = None,
        author: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[Kept | Damaged]:
        """The newest first, from past the one made at `before` (its time and id)."""
        at = (_PROPOSAL.c.created_us, _PROPOSAL.c.id)
        query = select(*_READ).order_by(at[0].desc(), at[1].desc())
        wanted = {"state": state, "kind": kind, "author": author}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(_PROPOSAL.c[name] == str(value))
        if before is not None:
            query = query.where(tuple_(*at) < before)
        return self._found(query.limit(min(limit, PAGE)))

    def open_same(self, same: str) -> Kept | Damaged | None:
        """What is about the same and waits for a person."""
        query = select(*_READ).where(_PROPOSAL.c.same == same, _PROPOSAL.c.state == "open")
        return next(iter(self._found(query)), None)

    def last_decided(self, same: str) -> Decided | None:
        """The last decision on what is about the same."""
        with asking_directly(self._engine) as connection:
            row = connection.execute(_LAST_DECIDED, (same,)).fetchone()
        if row is None:
            return None
        proposal_id, state, decided_us, reason = row
        said = [bytes(one or b"").decode(errors="replace") for one in (proposal_id, state, reason)]
        return Decided(said[0], State(said[1]), decided_us, said[2])

    def last_seen_us(self, author: str) -> int | None:
        """When this author proposed something last, new or not; None: never."""
        with asking_directly(self._engine) as connection:
            found: int | None = connection.execute(_LAST_SEEN, (author,)).fetchone()[0]
        return found

    def without_outcome(self) -> list[Kept]:
        """Accepted ones of which nobody recorded what came: the server ended in between."""
        query = select(*_READ).where(_PROPOSAL.c.state == "accepted", _PROPOSAL.c.outcome.is_(None))
        found = self._found(query.order_by(_PROPOSAL.c.decided_us))
        return [one for one in found if isinstance(one, Kept)]

    def open_counts(self, author: str, *, now_us: int, since_us: int) -> Taken:
        """How many are open, in all and of this author, and how many it made since then."""
        named = {"now": now_us, "since": since_us, "author": author}
        with asking_directly(self._engine) as connection:
            return Taken(*connection.execute(_TAKEN, named).fetchone())

    # --- writing ----------------------------------------------------------------------------

    def add(self, kept: Kept, event: LedgerEvent) -> bool:
        """Keep a new one. False, and nothing recorded, where one about the same is open."""
        try:
            with self._ledger.recording(event) as connection:
                connection.exec_driver_sql(_ADD, row_of(kept))
        except IntegrityError:
            if self.open_same(kept.same) is None:
                raise
            return False
        return True

    def see(self, kept: Kept, now_us: int) -> Kept:
        """It was proposed once more; returns it as it is now."""
        before = now_us - SEEN_EVERY_US
        if kept.seen_us > before:
            return kept
        self._write(_SEEN, {"id": kept.id, "now": now_us, "before": before})
        return self.get(kept.id)

    def expire_due(self, now_us: int) -> None:
        """End those whose time is over."""
        with asking_directly(self._engine) as connection:
            if connection.execute(_DUE, (now_us,)).fetchone() is None:
                return
        self._write(_EXPIRE, {"now": now_us})

    def expire(self, proposal_id: str) -> None:
        """End one that is about what is no longer there."""
        self._write(_EXPIRE_ONE, {"id": proposal_id})

    def decide(
        self, kept: Kept, state: State, *, by: str, reason: str, now_us: int, event: LedgerEvent
    ) -> Kept:
        """Record that a person accepted or dismissed it. Raises ProposalEnded."""
        row = {"id": kept.id, "state": str(state), "by": by, "reason": reason, "now": now_us}
        with self._ledger.recording(event) as connection:
            if connection.exec_driver_sql(_DECIDE, row).rowcount != 1:
                raise ProposalEnded(
                    f"Proposal {kept.id} is no longer open: it was decided, or its time is over. "
                    f"Look at it: lmx advice show {kept.id}"
                )
        return self.get(kept.id)

    def ended(
        self,
        kept: Kept,
        *,
        outcome: str,
        event: LedgerEvent,
        ask: str | None = None,
        run: str | None = None,
        refusal: str | None = None,
    ) -> Kept:
        """Record what came of accepting it, once. Raises ProposalEnded."""
        row = {"id": kept.id, "outcome": outcome, "ask": ask, "run": run, "refusal": refusal}
        with self._ledger.recording(event) as connection:
            if connection.exec_driver_sql(_END, row).rowcount != 1:
                raise ProposalEnded(
                    f"What came of proposal {kept.id} is recorded already, or nobody accepted it. "
                    f"Look at it: lmx advice show {kept.id}"
                )
        return self.get(kept.id)

    # --- private ----------------------------------------------------------------------------

    def _write(self, statement: str, values: Mapping[str, Any]) -> None:
        try:
            with writing(self._engine) as connection:
                connection.exec_driver_sql(statement, dict(values))
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error

    def _found(self, query: Any) -> list[Kept | Damaged]:
        try:
            with self._engine.connect() as connection:
                found = [read_row({**row}) for row in connection.execute(query).mappings()]
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error
        for one in found:
            if isinstance(one, Damaged):
                self._tell(one)
        return found

    def _tell(self, damaged: Damaged) -> None:
        """Into the log, once while this runs: a list is asked for again and again."""
        with self._telling:
            new = damaged.id not in self._told
            self._told.add(damaged.id)
        if new:
            log.error("proposal_damaged", proposal=damaged.id, why=damaged.why)
