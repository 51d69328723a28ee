"""What each key has asked for lately and has under way, held to what the settings allow it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.authority.limits.rates import after_one, wait_s
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import RateLimited

KEPT = 1024
"""Keys that are remembered before those are forgotten of whom nothing counts any more."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may ask for; 0: as much as there is room for."""

    concurrent: int = 0
    per_minute: int = 0


@dataclass(slots=True)
class _Used:
    under_way: int = 0
    due: float = 0.0


class Limits:
    """One per server, on its event loop. All who use no key are one key together."""

    def __init__(
        self, allowance: Callable[[Actor], Allowance], monotonic: Callable[[], float]
    ) -> None:
        """`allowance` is asked at each request: what an operator changes holds from the next."""
        self._allowance = allowance
        self._monotonic = monotonic
        self._used: dict[str, _Used] = {}

    def begin(self, actor: Actor) -> Callable[[], None]:
        """Count a request in; the caller calls what is returned once it has ended.

        Raises RateLimited. A request that is refused counts for nothing.
        """
        if actor == SYSTEM:
            return _nothing
        allowed, now = self._allowance(actor), self._monotonic()
        used = self._used.get(actor.id) or _Used()
        if allowed.concurrent and used.under_way >= allowed.concurrent:
            raise _too_many_at_once(actor, allowed.concurrent)
        due = used.due
        if allowed.per_minute:
            next_due = after_one(due, per_minute=allowed.per_minute, now=now)
            if next_due is None:
                raise _too_often(actor, allowed.per_minute, due=due, now=now)
            due = next_due
        self._remember(actor.id, used, now)
        used.due = due
        used.under_way += 1
        return lambda: _end(used)

    def _remember(self, actor_id: str, used: _Used, now: float) -> None:
        if actor_id not in self._used and len(self._used) >= KEPT:
            self._used = {
                name: one for name, one in self._used.items() if one.under_way or one.due > now
            }
        self._used[actor_id] = used


def unlimited() -> Limits:
    """For whoever asks no server's settings."""
    return Limits(lambda _: Allowance(), lambda: 0.0)


def _end(used: _Used) -> None:
    used.under_way -= 1


def _nothing() -> None:
    pass


def _too_many_at_once(actor: Actor, limit: int) -> RateLimited:
    return RateLimited(
        f"{_who(actor)} has {limit} requests under way, as many as it may have. Ask again when one "
        "of them has ended.",
        retry_after_s=1,
    )


def _too_often(actor: Actor, per_minute: int, *, due: float, now: float) -> RateLimited:
    wait = wait_s(due, per_minute=per_minute, now=now)
    return RateLimited(
        f"{_who(actor)} may ask {per_minute} times a minute. Ask again in {wait} s.",
        retry_after_s=wait,
    )


def _who(actor: Actor) -> str:
    return f"The key {actor.name}" if actor.id.startswith("key:") else "Whoever uses no key"
