"""Runs the advisors that ship with the server: what they propose is taken as any bot's is.

An advisor is a program that nobody trusts. It gets a snapshot and answers, and gives proposals;
whatever else it tried is recorded as a blocked attempt of its own. When it runs by itself next is
told by when it last proposed something, so that a server that is started daily is advised too.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson
import structlog

from app.authority.advice.answering import Asking, Models
from app.authority.advice.limits import A_POST
from app.authority.advice.plain import shown
from app.authority.ledger.refusals import RefusalRecorder
from app.authority.permissions import Permission
from app.authority.ports import AdvisorHost, Clock
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.advice.contained import Order, Outcome, Tried
from app.domain.advice.frames import Answer, Question
from app.domain.refusals import (
    AdvisorBusy,
    AdvisorContained,
    AdvisorNotFound,
    InvalidRequest,
    Refusal,
)

log = structlog.get_logger(__name__)

Json = dict[str, Any]

MONTHS: Final = ("office", "rotation", "none", "recorded")
RECORDED: Final = 50
"""Attempts of one run that are recorded one by one."""
ASKS_A_MODEL: Final = "llm"
HOUR_S: Final = 3_600
FIRST_S: Final = 900
"""After a start, until the first run of one that never proposed anything."""
AGAIN_S: Final = 300
"""Until the next try of a run that could not be begun."""


class Published(Protocol):
    @property
    def digest(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Publishing(Protocol):
    async def now(self) -> Published: ...


class Proposing(Protocol):
    async def propose(
        self,
        author: Actor,
        raws: Sequence[object],
        *,
        snapshot: str | None,
        request_id: str | None = None,
    ) -> Json:
        """``{proposals, kept, refused}``; each refusal is recorded under the author."""


@dataclass(frozen=True)
class Hosting:
    """On the event loop. `by_itself`: advisors that run every so many hours without being asked;
    `every_hours` 0: none does. `known`: the ids of all models. `last_seen_us`: when an author
    last proposed something."""

    host: AdvisorHost
    publishing: Publishing
    proposing: Proposing
    refusals: RefusalRecorder
    models: Models
    known: Callable[[], Collection[str]]
    clock: Clock
    last_seen_us: Callable[[str], int | None]
    by_itself: tuple[str, ...] = ()
    every_hours: int = 0
    _last: dict[str, Json] = field(default_factory=dict, repr=False)
    _running: set[str] = field(default_factory=set, repr=False)
    _looked: list[Outcome] = field(default_factory=list, repr=False)
    _due: dict[str, float] = field(default_factory=dict, repr=False)

    async def advisors(self) -> Json:
        """``{advisors: [{name, assumes, sure, enabled, last}], walls: [{name, stands, why}]}``."""
        look = await self._look()
        return {
            "advisors": [
                {
                    "name": name,
                    "assumes": assumes,
                    "sure": sure,
                    "enabled": self._enabled(name),
                    "last": self._last.get(name),
                }
                for name, assumes, sure in look.described
            ],
            "walls": _plain_walls(look),
        }

    def walls(self) -> list[Json] | None:
        """As in `advisors`; None until somebody has looked. Starts nothing."""
        return _plain_walls(self._looked[-1]) if self._looked else None

    async def run(self, name: str, *, by: Actor) -> Json:
        """Let it advise on a snapshot of now: ``{name, kept, refused, tried: [{what, which}],
        ended, questions, unanswered, elapsed_ms, cpu_ms, peak_bytes, snapshot}``.

        `ended` is empty where it ended well; `unanswered`: why, of questions that got no answer.
        Raises AdvisorNotFound, AdvisorBusy.
        """
        await self._check_known(name)
        with self._alone(name, f"{name} is running already. Its proposals come in: lmx advice ls"):
            return await self._run(name, by)

    async def replay(self, name: str, *, month: str, seed: int) -> Json:
        """What its advice would have brought in that month; nothing is proposed.

        Raises AdvisorNotFound, AdvisorBusy, InvalidRequest.
        """
        if month not in MONTHS:
            raise InvalidRequest(f"A month is one of {', '.join(MONTHS)}.", param="month")
        await self._check_known(name)
        recorded = (await self.publishing.now()).body if month == "recorded" else None
        if recorded is not None and not await asyncio.to_thread(_holds_use, recorded):
            raise InvalidRequest(
                "No use is on record here yet, so there is no month to replay. Ask models first, "
                "or replay a generated month: office, rotation, none.",
                param="month",
            )
        order = Order(do="replay", advisor=name, month=month, seed=seed, snapshot=recorded)
        with self._alone(f"replay {name}", f"{name} is replayed already. Wait until that ended."):
            outcome = await self.host.run(order, _no_answer)
        await asyncio.to_thread(self._record, name, outcome.tried)
        report = _parsed(outcome.report) if outcome.report is not None else {}
        said = report if isinstance(report, dict) else {}
        return {**said, "name": name, "month": month, "seed": seed, **_measured(outcome)}

    async def run_due(self) -> None:
        """Run what is to run by itself and whose time has come. Called again and again."""
        if self.every_hours <= 0:
            return
        for name in filter(self._enabled, self.by_itself):
            if self.clock.monotonic() >= await self._due_at(name):
                next_s = await self._run_by_itself(name)
                self._due[name] = self.clock.monotonic() + next_s

    # --- private ----------------------------------------------------------------------------

    async def _due_at(self, name: str) -> float:
        if name not in self._due:
            last_us = await asyncio.to_thread(self.last_seen_us, _author(name).id)
            wait_s = _first_wait_s(last_us, self.clock.utc_us(), self.every_hours * HOUR_S)
            self._due[name] = self.clock.monotonic() + wait_s
        return self._due[name]

    async def _run_by_itself(self, name: str) -> float:
        """The seconds until its next run. What keeps one from running keeps no other from it."""
        try:
            await self.run(name, by=SYSTEM)
        except Refusal as refusal:
            log.warning("advisor_not_run", advisor=name, reason=refusal.message)
            if not (self._looked and isinstance(refusal, AdvisorNotFound)):
                return AGAIN_S
        except Exception:
            log.exception("advisor_not_run", advisor=name)
            return AGAIN_S
        return self.every_hours * HOUR_S

    @contextmanager
    def _alone(self, what: str, busy: str) -> Iterator[None]:
        """Raises AdvisorBusy where the same goes on already."""
        if what in self._running:
            raise AdvisorBusy(busy)
        self._running.add(what)
        try:
            yield
        finally:
            self._running.discard(what)

    async def _run(self, name: str, by: Actor) -> Json:
        at_us, published = self.clock.utc_us(), await self.publishing.now()
        asking = Asking(self.models, name, set(self.known()))
        order = Order(do="advise", advisor=name, snapshot=published.body)
        outcome = await self.host.run(order, asking.answer)
        raws = [_parsed(proposal) for proposal in outcome.proposals]
        told = await self._proposed(name, raws[:A_POST], published.digest)
        tried = (*outcome.tried, *_too_many(len(raws)))
        await asyncio.to_thread(self._record, name, tried)
        counts = {"kept": told["kept"], "refused": told["refused"] + max(0, len(raws) - A_POST)}
        ended = {**counts, **_measured(outcome)}
        self._last[name] = {"at_us": at_us, **ended, "tried": len(tried)}
        log.info("advisor_ran", advisor=name, by=by.id, **counts, ended=outcome.ended)
        return {
            "name": name,
            **ended,
            "tried": [{"what": one.what, "which": one.which} for one in tried],
            "questions": outcome.questions,
            "unanswered": asking.unanswered,
            "snapshot": published.digest,
        }

    async def _proposed(self, name: str, raws: Sequence[object], digest: str) -> Json:
        if not raws:
            return {"kept": 0, "refused": 0}
        return await self.proposing.propose(_author(name), raws, snapshot=digest)

    def _record(self, name: str, tried: Sequence[Tried]) -> None:
        """Each is an attempt of the advisor's that was blocked."""
        for one in tried[:RECORDED]:
            refusal = AdvisorContained(
                f"The advisor {name} tried what advice may not do, {shown(one.what)}: "
                f"{shown(one.which)}. It was kept from it."
            )
            refusal.act, refusal.inputs = Permission.PROPOSE, {"tried": one.what}
            self.refusals.record(_author(name), refusal, one.what)

    async def _check_known(self, name: str) -> None:
        look = await self._look()
        names = [known for known, _, _ in look.described]
        if not names:
            why = shown(look.ended or "they said nothing")
            raise AdvisorNotFound(f"No advisor can run here now: {why}. See: lmx doctor")
        if name not in names:
            listed = ", ".join(names)
            raise AdvisorNotFound(
                f"There is no advisor {shown(name)}. Advisors are: {listed}.", param="name"
            )

    async def _look(self) -> Outcome:
        """What a child says of its advisors and its walls: neither changes while this runs."""
        if not self._looked:
            look = await self.host.run(Order(do="look"), _no_answer)
            await asyncio.to_thread(self._record, "look", look.tried)
            if look.ended or not look.described:
                log.error("advisors_cannot_run", why=look.ended)
                return look
            self._looked.append(look)
        return self._looked[-1]

    def _enabled(self, name: str) -> bool:
        asks = name == ASKS_A_MODEL and self.models.name is None
        return self.every_hours > 0 and name in self.by_itself and not asks


def _first_wait_s(last_us: int | None, now_us: int, every_s: float) -> float:
    """After a start, until the first run: no later than it would have been without the start."""
    if last_us is None:
        return min(FIRST_S, every_s)
    return min(every_s, max(0.0, every_s - (now_us - last_us) / 1e6))


def _author(name: str) -> Actor:
    return Actor(f"advisor:{name}", name, frozenset({Role.ADVISOR}))


def _parsed(content: bytes) -> object:
    """What was written as JSON, else as text, which is no proposal and is refused as such."""
    try:
        return orjson.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _plain_walls(look: Outcome) -> list[Json]:
    return [{"name": wall.name, "stands": wall.stands, "why": wall.why} for wall in look.walls]


def _holds_use(snapshot: bytes) -> bool:
    """Whether anything was asked in its days. What has no such column is the replay's to judge."""
    hours: object = orjson.loads(snapshot).get("use", {}).get("columns", {}).get("hour")
    return hours != []


def _too_many(count: int) -> tuple[Tried, ...]:
    return (Tried("output", f"{count} proposals in one run"),) if count > A_POST else ()


def _measured(outcome: Outcome) -> Json:
    return {
        "ended": outcome.ended,
        "elapsed_ms": outcome.elapsed_ms,
        "cpu_ms": outcome.cpu_ms,
        "peak_bytes": outcome.peak_bytes,
    }


async def _no_answer(_: Question) -> Answer:
    return Answer(None, "nothing is asked of a model here")
