"""Use cases of advice: see what it is made from, propose, look, accept, dismiss, keep the score.

Each asks for a grant first and raises Refusals and nothing else on purpose. What is returned is
plain JSON; times are microseconds of UTC. Whatever an advisor wrote stays untrusted text in it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from app.authority.advice.acting import refuse_nobody
from app.authority.advice.kept import Damaged, Kept, State
from app.authority.advice.plain import hidden_in
from app.authority.paging import cursor_of, read_cursor
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.advice.proposals import Kind
from app.domain.refusal import attempting
from app.domain.refusals import InvalidRequest

Json = dict[str, Any]

AT_MOST: Final = 200
"""Proposals on one page."""
MAX_REASON: Final = 500

Named = TypeVar("Named", State, Kind)


class Published(Protocol):
    """A snapshot as it is handed out: its JSON and the SHA-256 of that."""

    @property
    def digest(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def at_us(self) -> int: ...


class Publishing(Protocol):
    async def now(self) -> Published:
        """The newest snapshot, made anew where the last one is a minute old."""


class Proposing(Protocol):
    async def posted(self, author: Actor, body: object, *, request_id: str | None) -> Json:
        """Keep what of a post can be kept. Raises the first refusal where nothing can."""


class Proposals(Protocol):
    def get(self, proposal_id: str) -> Kept:
        """Raises ProposalNotFound."""

    def page(
        self,
        *,
        state: State | None,
        kind: Kind | None,
        author: str | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Kept | Damaged]:
        """The newest first, from past the one made at `before` (its time and id)."""


class Previews(Protocol):
    """Nothing here changes anything or leaves a record."""

    async def would(self, actor: Actor, kept: Kept) -> Json:
        """What would come of accepting it now: ``{what: done|asked|refused, code, message}``."""

    async def preview(self, actor: Actor, kept: Kept) -> Json:
        """``{lines: [text]}``: the arithmetic or the plan, or the refusal."""


class Accepting(Protocol):
    async def accept(
        self, actor: Actor, kept: Kept, *, reason: str, digest: str, request_id: str | None
    ) -> Kept:
        """Record the decision, do or ask for it as this person, record what came of it."""

    async def dismiss(self, actor: Actor, kept: Kept, *, reason: str) -> Kept: ...


class Hosting(Protocol):
    async def advisors(self) -> Json: ...
    async def run(self, name: str, *, by: Actor) -> Json:
        """Raises AdvisorNotFound, AdvisorBusy."""

    async def replay(self, name: str, *, month: str, seed: int) -> Json: ...


class Scoring(Protocol):
    async def scorecard(self) -> Json: ...
    async def run_of(self, kept: Kept) -> str | None:
        """The run of what came of it: that of its ask too, once that has ended."""

    async def measured(self, kept: Kept) -> Json | None:
        """What came of what it predicted: ``{predicted, measured, verdict}``; None: too early."""


@dataclass(frozen=True, slots=True)
class Advising:
    """What an advisor's key may do is `snapshot` and `propose`; the rest is for people."""

    publishing: Publishing
    proposing: Proposing
    proposals: Proposals
    previews: Previews
    accepting: Accepting
    hosting: Hosting
    scoring: Scoring

    # --- advisors' two doors ----------------------------------------------------------------

    async def snapshot(self, actor: Actor) -> bytes:
        """``{"digest": sha256, "snapshot": {...}}``, as the bytes that go out."""
        grant(actor, Permission.SNAPSHOT_READ)
        published = await self.publishing.now()
        return b'{"digest":"%s","snapshot":%s}' % (published.digest.encode(), published.body)

    async def propose(self, actor: Actor, body: object, request_id: str | None = None) -> Json:
        """Keep what was posted: ``{snapshot?: digest, proposals: [{...}]}``.

        ``{proposals: [{id, state, new, seen, expires_us} | {refused: {code, message}}], kept,
        refused}``, in the order in which they were posted. Where none can be kept the first
        refusal is raised: ProposalInvalid, TooManyProposals.
        """
        with attempting(Permission.PROPOSE):
            grant(actor, Permission.PROPOSE)
            return await self.proposing.posted(actor, body, request_id=request_id)

    # --- looking ----------------------------------------------------------------------------

    async def list(
        self,
        actor: Actor,
        *,
        state: str | None = None,
        kind: str | None = None,
        author: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Json:
        """``{proposals: [{..., would}], next}``, the newest first; one that is damaged says so
        (``altered``) and little else. Raises InvalidRequest."""
        grant(actor, Permission.ADVICE_READ)
        wanted = None if state is None else _one_of(State, state, "state")
        of_kind = None if kind is None else _one_of(Kind, kind, "kind")
        before, most = read_cursor(cursor), max(1, min(limit, AT_MOST))
        found = await asyncio.to_thread(
            self.proposals.page,
            state=wanted,
            kind=of_kind,
            author=author,
            before=before,
            limit=most,
        )
        last = found[-1] if len(found) == most else None
        return {
            "proposals": [
                one.as_plain() if isinstance(one, Damaged) else await self._with_would(actor, one)
                for one in found
            ],
            "next": None if last is None else cursor_of(last.created_us, last.id),
        }

    async def show(self, actor: Actor, id: str) -> Json:  # noqa: A002 - it is asked for by that name
        """One of `list`, with ``preview: {lines}|null`` and ``measured: {..}|null``."""
        grant(actor, Permission.ADVICE_READ, subject=id)
        return await self._shown(actor, await asyncio.to_thread(self.proposals.get, id))

    async def advisors(self, actor: Actor) -> Json:
        """``{advisors: [{name, assumes, sure, enabled, last}], walls: [{name, stands, why}]}``."""
        grant(actor, Permission.ADVICE_READ)
        return await self.hosting.advisors()

    async def scorecard(self, actor: Actor) -> Json:
        """``{advisors: [{author, proposed, accepted, ...}], proposals: [{..., verdict}]}``."""
        grant(actor, Permission.ADVICE_READ)
        return await self.scoring.scorecard()

    # --- deciding ---------------------------------------------------------------------------

    async def accept(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        *,
        reason: str,
        digest: str,
        request_id: str | None = None,
    ) -> Json:
        """Do or ask for what it says, as this person; returns it as `show` does.

        `digest` is the proposal's that the person looked at. What the ordinary use case refuses is
        raised as ever, once it is recorded as the outcome: the decision stands. Raises
        ProposalEnded, InvalidRequest, Forbidden where the actor is no person.
        """
        with self._deciding(actor, id, reason):
            kept = await asyncio.to_thread(self.proposals.get, id)
            decided = await self.accepting.accept(
                actor, kept, reason=reason, digest=digest, request_id=request_id
            )
        return await self._shown(actor, decided)

    async def dismiss(self, actor: Actor, id: str, *, reason: str) -> Json:  # noqa: A002
        """Say no to it; the same is not proposed again for a week. Raises as `accept` does."""
        with self._deciding(actor, id, reason):
            kept = await asyncio.to_thread(self.proposals.get, id)
            decided = await self.accepting.dismiss(actor, kept, reason=reason)
        return await self._shown(actor, decided)

    # --- running ----------------------------------------------------------------------------

    async def run(self, actor: Actor, name: str) -> Json:
        """Run one advisor now: ``{name, kept, refused, tried, ended, ...}``. Its proposals are
        kept as any bot's are. Raises AdvisorNotFound, AdvisorBusy."""
        with attempting(Permission.ADVICE_RUN, advisor=name):
            grant(actor, Permission.ADVICE_RUN, subject=name)
            return await self.hosting.run(name, by=actor)

    async def replay(self, actor: Actor, name: str, *, month: str, seed: int) -> Json:
        """What its advice would have brought in a month (office, rotation, none or recorded)."""
        with attempting(Permission.ADVICE_RUN, advisor=name, month=month, seed=seed):
            grant(actor, Permission.ADVICE_RUN, subject=name)
            return await self.hosting.replay(name, month=month, seed=seed)

    # --- private ----------------------------------------------------------------------------

    @contextmanager
    def _deciding(self, actor: Actor, proposal_id: str, reason: str) -> Iterator[None]:
        with attempting(Permission.ADVICE_DECIDE, proposal=proposal_id, reason=reason):
            grant(actor, Permission.ADVICE_DECIDE, subject=proposal_id)
            refuse_nobody(actor)
            _refuse_reason(reason)
            yield

    async def _with_would(self, actor: Actor, kept: Kept) -> Json:
        is_open = kept.state is State.OPEN
        would = await self.previews.would(actor, kept) if is_open else None
        return {**kept.as_plain(), "would": would}

    async def _shown(self, actor: Actor, kept: Kept) -> Json:
        is_open = kept.state is State.OPEN
        return {
            **await self._with_would(actor, kept),
            "run": await self.scoring.run_of(kept),
            "preview": await self.previews.preview(actor, kept) if is_open else None,
            "measured": await self.scoring.measured(kept),
        }


def _one_of(kind: type[Named], value: str, param: str) -> Named:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(kind)
        raise InvalidRequest(
            f"There is no such {param}. It is one of {names}.", param=param
        ) from None


def _refuse_reason(reason: str) -> None:
    """Raise InvalidRequest for what says nothing, or could not be shown on one line as it is."""
    if not reason.strip():
        raise InvalidRequest("Say why, in a line: --reason TEXT.", param="reason")
    if len(reason) > MAX_REASON:
        raise InvalidRequest(
            f"The reason has {len(reason)} characters; at most {MAX_REASON} are kept. Shorten it.",
            param="reason",
        )
    if (hidden := hidden_in(reason)) is not None:
        raise InvalidRequest(
            f"The reason holds {hidden!a}, which cannot be seen or breaks the line. Write one "
            "line of visible characters.",
            param="reason",
        )
