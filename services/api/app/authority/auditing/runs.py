"""Use cases: which attempts there were, one of them with all its evidence, and how two differ.

The index chooses events; a run's bytes are evidence beside the event that names them, and are
hashed again whenever they are read: bytes that are not what was recorded are never shown as a run.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection

from app.authority.auditing.asked import described, filter_of
from app.authority.auditing.ports import AskedLedger, NoteRead
from app.authority.auditing.questions import is_like, range_of
from app.authority.ledger import counting, questions, reading
from app.authority.ledger.filters import DIGEST_LENGTH, Filter, has_run
from app.authority.ledger.naming_runs import runs_beginning
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import driver
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import EvidenceDamaged, InvalidRequest, RunNotFound
from app.evidence.indexing import index_row
from app.evidence.run_diff import difference, document, sentences

MAX_RUNS: Final = 500
SHORTEST: Final = 6
"""Hex digits that a run can be named by, as long as no other begins with them."""
FILTERS: Final = ("since", "until", "act", "subject", "model", "actor", "person", "outcome", "plan")
_DECIDED: Final = {"rejected": "reject", "revoked": "veto"}
"""What a run says of an attempt that a person's no ended, and how its event says it."""
_ENDED: Final = {said: ended for ended, said in _DECIDED.items()}

_HEX: Final = re.compile(rf"[0-9a-f]{{{SHORTEST},{DIGEST_LENGTH}}}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_NAMED_AT_MOST: Final = 20
"""Events that are shown with the run they name; two is usual."""

Asked = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A run as it lies in the ledger: checked bytes, and the events that name it."""

    digest: str
    bytes: bytes
    body: dict[str, Any]
    events: tuple[StoredEvent, ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """Each method asks for a grant first, and is itself recorded as a read.

    `blob` returns evidence by its SHA-256, None where there is none.
    """

    ledger: AskedLedger
    blob: Callable[[str], bytes | None]
    note_read: NoteRead
    reasons: Reasons = field(default_factory=Reasons)

    async def list(
        self, actor: Actor, asked: Asked, *, cursor: int = 0, limit: int = 50, total: bool = False
    ) -> dict[str, Any]:
        """One page, newest first, with the part of the log it covers; `next` is the next cursor.

        A page may hold fewer runs than `limit`, even none, while `next` is not null.
        """
        grant(actor, Permission.RUNS_READ)
        wanted = _filter_of(asked)
        limit = max(1, min(limit, MAX_RUNS))
        await self._note(actor, "runs", {**asked, "cursor": cursor or None})

        def answer(connection: Connection) -> dict[str, Any]:
            direct = driver(connection)
            page = questions.page(
                direct, wanted, self.reasons, after=cursor, limit=limit, newest_first=True
            )
            shown: list[dict[str, Any]] = []
            altered: list[int] = []
            for one in reading.numbered(connection, page.seqs):
                if one.intact and is_like(wanted, one):
                    shown.append(_row(one))
                else:
                    altered.append(one.seq)
            found = {"runs": shown, **range_of(page.span), "next": page.next}
            if altered:
                found["altered_at"] = altered
            if total:
                found["total"] = counting.total(direct, wanted, self.reasons)
            return found

        return await asyncio.to_thread(self._answer, answer)

    async def show(self, actor: Actor, name: str) -> dict[str, Any]:
        """One run: `name` is its digest, six or more hex digits of it, or an event's number."""
        grant(actor, Permission.RUNS_READ, subject=name[:DIGEST_LENGTH])
        await self._note(actor, "run", {"run": name})
        kept = await asyncio.to_thread(self._kept, name)
        return {
            "digest": kept.digest,
            "run": kept.body,
            "events": [_named_by(one) for one in kept.events],
            "verify": [f"lmx ledger show {kept.events[0].seq}", "lmx ledger verify"],
        }

    async def diff(self, actor: Actor, a: str, b: str) -> dict[str, Any]:
        """What is different in run `b`, and of that what explains most, as sentences."""
        grant(actor, Permission.RUNS_READ, subject=a[:DIGEST_LENGTH])
        await self._note(actor, "runs compared", {"a": a, "b": b})
        return await asyncio.to_thread(self._diff, a, b)

    def _diff(self, a: str, b: str) -> dict[str, Any]:
        one, other = self._kept(a), self._kept(b)
        found = difference(one.bytes, other.bytes, plans=self._plans(one, other))
        return {
            "a": _row(one.events[0]),
            "b": _row(other.events[0]),
            "sentences": sentences(one.body, other.body),
            "changes": [change.as_dict() for change in found.changes],
            "more": found.more,
        }

    def _plans(self, one: _Kept, other: _Kept) -> tuple[bytes, bytes] | None:
        a, b = one.body.get("plan"), other.body.get("plan")
        if not (isinstance(a, str) and isinstance(b, str)) or a == b:
            return None
        return self._evidence(a, "plan"), self._evidence(b, "plan")

    def _answer(self, answer: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
        with self.ledger.answering() as connection:
            return answer(connection)

    def _kept(self, name: str) -> _Kept:
        """The run that is called so. Raises RunNotFound, InvalidRequest, EvidenceDamaged."""
        with self.ledger.answering() as connection:
            digest = self._digest_of(connection, name)
            wanted = Filter(run=digest)
            page = questions.page(driver(connection), wanted, self.reasons, limit=_NAMED_AT_MOST)
            events = tuple(reading.numbered(connection, page.seqs))
        content = self._evidence(digest, "run")
        try:
            return _Kept(digest, content, document(content), events)
        except ValueError as error:
            raise _damaged("run", digest, str(error)) from error

    def _digest_of(self, connection: Connection, name: str) -> str:
        direct, asked = driver(connection), name.lower()
        if _NUMBER.fullmatch(asked) and (found := self._of_event(connection, int(asked))):
            return found
        if _HEX.fullmatch(asked):
            digests = runs_beginning(direct, asked, most=2)
            if len(digests) > 1:
                raise InvalidRequest(
                    f"More than one run begins with {asked}. Give more of its digest.", param="run"
                )
            if digests:
                return digests[0]
        elif not _NUMBER.fullmatch(asked):
            raise InvalidRequest(
                f"{name[:DIGEST_LENGTH]!r} names no run. Give {SHORTEST} or more digits of its "
                "digest, or the number of its event: lmx runs ls.",
                param="run",
            )
        raise RunNotFound(
            f"There is no run {asked[:DIGEST_LENGTH]}. `lmx runs ls` lists the runs there are."
        )

    def _of_event(self, connection: Connection, seq: int) -> str | None:
        """The run that event `seq` names, or that the attempt which it began ended with."""
        event = reading.event(connection, seq)
        if event is None or not event.intact:
            return None
        row = index_row(event.fields)
        if has_run(row):
            return row.run
        ended = Filter(run=str(seq), has_run=True)
        page = questions.page(driver(connection), ended, self.reasons, limit=1, newest_first=True)
        for one in reading.numbered(connection, page.seqs):
            return index_row(one.fields).run if one.intact else None
        return None

    def _evidence(self, digest: str, what: str) -> bytes:
        content = self.blob(digest)
        if content is None:
            raise _damaged(what, digest, "its bytes are missing")
        if hashlib.sha256(content).hexdigest() != digest:
            raise _damaged(what, digest, "its bytes do not have that SHA-256")
        return content

    async def _note(self, actor: Actor, what: str, asked: Mapping[str, object]) -> None:
        await asyncio.to_thread(self.note_read, actor, what, described(asked))


def _filter_of(asked: Asked) -> Filter:
    """`act` is not checked against a list: every kind of act may bring a name of its own."""
    given = {name: value for name, value in asked.items() if value is not None}
    act = given.pop("act", None)
    if act is not None and not act.strip():
        raise InvalidRequest("act: is empty. Leave it out, or give a value.", param="act")
    if (outcome := given.get("outcome")) is not None:
        given["outcome"] = _DECIDED.get(outcome, outcome)
    return replace(filter_of(given), action=act, has_run=True)


def _row(event: StoredEvent) -> dict[str, Any]:
    """What the event says of its run; the run itself says more."""
    row = index_row(event.fields)
    said = {"code": event.data.get("code"), "count": event.data.get("count")}
    return {
        "run": row.run,
        "seq": event.seq,
        "ts_utc_us": event.ts_utc_us,
        "act": row.action,
        "subject": event.subject,
        "model": row.model,
        "actor": row.actor,
        "person": row.person,
        "outcome": _ENDED.get(event.outcome or "", event.outcome),
        "plan": row.plan,
        **{name: value for name, value in said.items() if value is not None},
    }


def _named_by(event: StoredEvent) -> dict[str, Any]:
    return {"seq": event.seq, "kind": event.kind, "ts_utc_us": event.ts_utc_us}


def _damaged(what: str, digest: str, why: str) -> EvidenceDamaged:
    return EvidenceDamaged(
        f"The {what} {digest} cannot be shown: {why}. The database was damaged or altered. Keep a "
        "copy of LMX_HOME as evidence, look at it with `lmx ledger verify`, and restore a backup."
    )
