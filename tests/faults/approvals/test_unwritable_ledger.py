"""What cannot be recorded is not done: each write of an ask's way fails, once or from then on."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.authority.ledger import Ledger
from app.domain.refusals import AuditUnavailable
from tests.fakes.asks import Office
from tests.fakes.offices import Begun, Shelf, asks_of, recovered, verified, whole

WRITES = ("ask", "decide", "claim", "intent", "outcome")
UNTOUCHED = {"a", "b"}


def fail(ledger: Ledger, at: int, how: str, *, lasting: bool) -> Callable[[], None]:
    """Write number `at` fails, and those after it where it is `lasting`; returns what heals it.

    `refused`: SQLite finds the disk full. `unsealed`: it commits, and signing or the sink fails.
    """
    owner: Any = ledger if how == "refused" else ledger._sealing
    name = "_write" if how == "refused" else "seal"
    real, count = getattr(owner, name), 0

    def step(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == at or (lasting and count > at):
            if how == "refused":
                raise sqlite3.OperationalError("database or disk is full")
            raise AuditUnavailable("The sink cannot be written.")
        return real(*arguments)

    setattr(owner, name, step)
    return lambda: setattr(owner, name, real)


def story(office: Office) -> None:
    ask = office.decide("owner", office.ask(name="first"))
    asyncio.run(office.execute(ask))


@pytest.fixture
def office(begun: Begun, tmp_path: Path) -> Office:
    home = begun.copy(tmp_path / "home")
    Shelf(where=home / "toys").put("first")
    return begun.open(home)


def left(office: Office) -> set[str]:
    assert isinstance(office.toy, Shelf)
    return office.toy.left("first")


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("how", ["refused", "unsealed"])
@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_done_that_could_not_be_recorded(
    office: Office, write: str, how: str, lasting: bool
) -> None:
    fail(office.ledger, WRITES.index(write) + 1, how, lasting=lasting)
    with pytest.raises(AuditUnavailable):
        story(office)
    begun = write == "outcome"
    assert len(office.toy.performed) == begun
    assert left(office) == (set() if begun else UNTOUCHED)
    was = [ask.state for ask in asks_of(office)]

    again = office.reopened()
    recovered(again)
    whole(again)
    now = [ask.state for ask in asks_of(again)]
    assert left(again) == (set() if begun else UNTOUCHED)
    if write in {"claim", "intent", "outcome"}:
        assert now == ["done" if begun else "failed"] or was == now == ["approved"]
    else:
        assert now == was, "nothing is half asked or half approved"
    again.close()
    verified(again.home)


@pytest.mark.parametrize("how", ["refused", "unsealed"])
def test_what_could_not_be_claimed_is_executed_when_it_can_be_or_not_at_all(
    office: Office, how: str
) -> None:
    ask = office.decide("owner", office.ask(name="first"))
    heal = fail(office.ledger, 1, how, lasting=True)
    with pytest.raises(AuditUnavailable):
        asyncio.run(office.execute(ask))
    heal()
    if office.state(ask) == "approved":
        asyncio.run(office.execute(ask))
    assert (office.state(ask), left(office)) in [
        ("done", set()),
        ("failed", UNTOUCHED),
    ]
    assert len(office.toy.performed) <= 1
    office.close()


def test_an_intent_that_failed_after_its_commit_is_closed_and_never_done(office: Office) -> None:
    fail(office.ledger, WRITES.index("intent") + 1, "unsealed", lasting=False)
    with pytest.raises(AuditUnavailable):
        story(office)
    (ask,) = asks_of(office)
    assert (office.state(ask), left(office)) == ("failed", UNTOUCHED)
    assert office.ledger.open_intents() == []
    office.close()


def test_a_decision_that_could_not_be_recorded_does_not_count(office: Office) -> None:
    ask = office.ask(name="first")
    heal = fail(office.ledger, 1, "refused", lasting=True)
    with pytest.raises(AuditUnavailable):
        office.decide("owner", ask)
    assert office.parts.asks.decisions(ask.id) == []
    heal()
    assert office.state(office.decide("owner", ask)) == "approved"
    office.close()
