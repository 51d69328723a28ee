"""The only place that ties what is done to the proposal that a person accepted for it.

`accepting` sets it around the ordinary use case; whatever records an attempt looks here. It goes
along into the tasks and threads that the use case begins, and ends with it: what happens to a
worker weeks later has nothing to do with the advice that it was loaded on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from app.domain.actors import Actor


@dataclass
class Accepted:
    """`runs`: digests of the runs that were made meanwhile of attempts of that person."""

    proposal: str
    actor_id: str
    runs: list[str] = field(default_factory=list)
    over: bool = False


_NOW: ContextVar[Accepted | None] = ContextVar("accepted", default=None)


@contextmanager
def accepted(proposal: str, actor: Actor) -> Iterator[Accepted]:
    """What `actor` attempts in here was begun by accepting `proposal`."""
    now = Accepted(proposal, actor.id)
    token = _NOW.set(now)
    try:
        yield now
    finally:
        now.over = True
        _NOW.reset(token)


def accepted_for(actor: Actor) -> Accepted | None:
    """What an attempt of `actor` follows from. What the server does meanwhile (an eviction that
    makes room) is its own doing."""
    now = _NOW.get()
    return now if now is not None and not now.over and now.actor_id == actor.id else None


def named_for(actor: Actor) -> dict[str, str]:
    """As a part of an event's data: ``{"proposal": id}``, or nothing."""
    now = accepted_for(actor)
    return {} if now is None else {"proposal": now.proposal}
