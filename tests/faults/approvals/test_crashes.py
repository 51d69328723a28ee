"""A server that ends at any step of an ask, a decision or an execution leaves nothing half done.

The steps are each statement to the database, each write and sync of the signer's memory and of
the sink, and each file that the act takes away. Below them are tests/faults/ledger's system calls.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.authority.approvals.transitions import State
from app.authority.approvals.values import Ask
from tests.fakes.asks import Office
from tests.fakes.crashes import crash_points
from tests.fakes.offices import Begun, Shelf, asks_of, recovered, verified, whole

SAMPLED = pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.faults)])
WAITS = {State.PENDING, State.APPROVED}

Story = Callable[[Office, list[tuple[str, str]]], None]


def carried_out(office: Office, told: list[tuple[str, str]]) -> None:
    ask = _told(told, office.ask(name="first"))
    _told(told, office.decide("owner", ask))
    _told(told, asyncio.run(office.execute(ask)).ask)


def resumed(office: Office, told: list[tuple[str, str]]) -> None:
    office.toy.stuck = {"a"}
    ask = office.decide("owner", office.ask(name="first"))
    _told(told, asyncio.run(office.execute(ask)).ask)
    office.toy.stuck = set()
    _told(told, asyncio.run(office.execute(ask)).ask)


def called_off(office: Office, told: list[tuple[str, str]]) -> None:
    vetoed = _told(told, office.decide("owner", office.ask(name="first")))
    _told(told, office.decide("owner", vetoed, "veto"))
    _told(told, office.governance.asking.withdraw(office.owner, office.ask(name="first").id))
    stale = _told(told, office.decide("owner", office.ask(name="first")))
    shelf = office.toy
    assert isinstance(shelf, Shelf)
    (shelf.where / "first" / "c").touch()
    with pytest.raises(Exception, match="changed"):
        asyncio.run(office.execute(stale))


@SAMPLED
@pytest.mark.parametrize("story", [carried_out, resumed, called_off])
@pytest.mark.timeout(1_200)
def test_an_end_at_any_step_is_finished_or_settled_at_the_next_start(
    begun: Begun, tmp_path: Path, story: Story, every: int
) -> None:
    told: dict[Path, list[tuple[str, str]]] = {}

    def prepare(directory: Path) -> Callable[[], object]:
        home = begun.copy(directory)
        Shelf(where=home / "toys").put("first")
        told[directory] = []

        def act() -> None:
            story(begun.open(home), told[directory])

        return act

    seen: set[State] = set()
    for directory in crash_points(tmp_path, prepare, every=every):
        seen |= settled(begun.open(directory), told[directory])
        verified(directory)
        shutil.rmtree(directory)
    assert len(seen) > 1, "it always ended the same: nothing was interrupted"


def settled(office: Office, told: list[tuple[str, str]]) -> set[State]:
    """After the next start everything holds, and what was told to somebody is still so."""
    recovered(office)
    whole(office)
    shelf = office.toy
    assert isinstance(shelf, Shelf)
    assert len(shelf.performed) <= 1, "what was interrupted is finished once"
    asks = asks_of(office)
    left = shelf.left("first") - {"c"}
    if any(ask.state is State.DONE for ask in asks):
        assert left == set()
    elif not any(ask.state is State.PARTIAL for ask in asks):
        assert left == {"a", "b"}, "something was taken away and nothing says so"
    for ask_id, state in told:
        assert was(office, ask_id, state)
    recovered(office)
    assert len(shelf.performed) <= 1, "what was finished is finished"
    office.close()
    return {ask.state for ask in asks}


def was(office: Office, ask_id: str, state: str) -> bool:
    """Whether an ask is in this state, or went through it."""
    ask = office.parts.asks.get(ask_id)
    return state == ask.state or state in WAITS | {State.PARTIAL}


def _told(told: list[tuple[str, str]], ask: Ask) -> Ask:
    told.append((ask.id, str(ask.state)))
    return ask
