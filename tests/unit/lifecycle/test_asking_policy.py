"""Policy is asked where a load begins: on a thread, and what changed meanwhile is seen."""

import asyncio
import threading

import pytest

from app.authority.lifecycle.transitions import State
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.decisions import Decision, Question
from app.authority.policy.hard import HardPolicy
from app.domain.refusals import ModelQuarantined, ModelTooLarge
from tests.fakes.lifecycle import House, use


class Slow(HardPolicy):
    """Answers when the test lets it, as a disk that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def decide(self, question: Question) -> Decision:
        self.asked.set()
        assert self.go_on.wait(30)
        return super().decide(question)


def slowly(house: House) -> Slow:
    slow = Slow()
    object.__setattr__(house.serving._equipment, "policy", slow)
    return slow


async def test_answers_go_on_while_a_decision_waits_for_the_disk(house: House) -> None:
    await use(house, house.models[1])
    slow = slowly(house)
    loading = asyncio.create_task(use(house, house.models[0]))
    await asyncio.to_thread(slow.asked.wait, 30)
    await use(house, house.models[1])  # in memory: answered meanwhile
    assert not loading.done()
    slow.go_on.set()
    await loading


async def test_what_changed_while_policy_was_asked_is_seen_before_anything_begins(
    house: House,
) -> None:
    slow, model = slowly(house), house.models[0]
    loading = asyncio.create_task(use(house, model))
    await asyncio.to_thread(slow.asked.wait, 30)
    house.serving.quarantined_before(model.id)
    slow.go_on.set()
    with pytest.raises(ModelQuarantined):
        await loading
    assert house.host.started == []


async def test_one_that_goes_away_while_it_asks_holds_up_nobody(house: House) -> None:
    slow, model = slowly(house), house.models[0]
    first = asyncio.create_task(use(house, model))
    await asyncio.to_thread(slow.asked.wait, 30)
    second = asyncio.create_task(use(house, model))
    first.cancel()
    slow.go_on.set()
    await second
    assert len(house.host.started) == 1


async def test_a_load_that_is_refused_by_policy_leaves_the_state_as_it_was(house: House) -> None:
    held = house.serving.residency.of(house.models[0].id)
    object.__setattr__(house.serving._equipment, "policy", HardPolicy(asks_for=("model_load",)))
    with pytest.raises(NeedsApproval):
        await use(house, house.models[0])
    assert (held.state, held.waiting) == (State.ABSENT, 0)
    assert not held.beginning.locked()
    with pytest.raises(ModelTooLarge, match="never fits here"):
        house.memory.total_bytes = 1 << 10
        await use(house, house.models[0])
