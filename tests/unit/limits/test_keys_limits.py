"""What one key may ask for, and that another's is its own."""

from dataclasses import dataclass, field

import pytest

from app.authority.limits import Allowance, Limits
from app.authority.limits.keeping import KEPT
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import RateLimited

BOT = Actor("key:1", "bot", frozenset({Role.CLIENT}))
OTHER = Actor("key:2", "other", frozenset({Role.CLIENT}))


@dataclass
class World:
    allowed: dict[str, Allowance] = field(default_factory=dict)
    now: float = 1000.0

    def limits(self) -> Limits:
        return Limits(lambda actor: self.allowed.get(actor.name, Allowance()), lambda: self.now)


def test_a_key_has_as_many_under_way_as_it_may_and_no_more() -> None:
    limits = World({"bot": Allowance(concurrent=2)}).limits()
    ends = [limits.begin(BOT), limits.begin(BOT)]
    with pytest.raises(RateLimited, match="The key bot has 2 requests under way") as refused:
        limits.begin(BOT)
    assert refused.value.retry_after_s == 1
    limits.begin(OTHER)
    ends[0]()
    limits.begin(BOT)


def test_a_key_that_asks_too_often_is_told_when_to_come_back() -> None:
    world = World({"bot": Allowance(per_minute=2)})
    limits = world.limits()
    limits.begin(BOT)
    limits.begin(BOT)
    with pytest.raises(RateLimited, match="may ask 2 times a minute") as refused:
        limits.begin(BOT)
    assert refused.value.retry_after_s == 30
    world.now += 30
    limits.begin(BOT)


def test_what_was_refused_counts_for_nothing() -> None:
    world = World({"bot": Allowance(concurrent=1, per_minute=2)})
    limits = world.limits()
    end = limits.begin(BOT)
    for _ in range(50):
        with pytest.raises(RateLimited):
            limits.begin(BOT)
    end()
    limits.begin(BOT)


def test_all_who_use_no_key_are_one_together() -> None:
    limits = World({"anonymous": Allowance(concurrent=1)}).limits()
    limits.begin(ANONYMOUS)
    with pytest.raises(RateLimited, match="Whoever uses no key has 1 requests under way"):
        limits.begin(ANONYMOUS)


def test_without_a_limit_and_for_the_system_nothing_is_refused() -> None:
    limits = World({"system": Allowance(concurrent=1)}).limits()
    for actor in (BOT, SYSTEM) * 1000:
        limits.begin(actor)


def test_what_an_operator_changes_holds_from_the_next_request() -> None:
    world = World()
    limits = world.limits()
    limits.begin(BOT)
    world.allowed["bot"] = Allowance(concurrent=1)
    with pytest.raises(RateLimited):
        limits.begin(BOT)


def test_keys_that_have_left_are_forgotten() -> None:
    limits = World().limits()
    for number in range(3 * KEPT):
        limits.begin(Actor(f"key:{number}", "gone", frozenset()))()
    assert len(limits._used) <= KEPT
