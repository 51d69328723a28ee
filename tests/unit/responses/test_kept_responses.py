"""Responses are kept for named keys alone, for a while, and are really gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.permissions import Access
from app.authority.responses.store import Keeping, Responses
from app.database import migrate, open_engine
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import Forbidden, ResponseNotFound
from tests.fakes.clock import FixedClock

BOT = Actor("key:1", "bot", frozenset({Role.CLIENT}))
OTHER = Actor("key:2", "other", frozenset({Role.CLIENT}))
AUDITOR = Actor("key:3", "bot", frozenset({Role.AUDITOR}))
SECRET = "the well is behind the mill, " * 2_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    migrate(tmp_path / "lmx.db")
    engine = open_engine(tmp_path / "lmx.db")
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def responses(database: Engine, clock: FixedClock) -> Responses:
    keeping = Keeping(frozenset({"bot", "other", "anonymous"}), hours=24)
    return Responses(database, clock, keeping, Access(inference_needs_key=False))


def kept(responses: Responses, actor: Actor = BOT, name: str = "resp_1") -> str:
    responses.keep(actor, name, {"id": name}, [{"id": "item"}], [{"content": SECRET}])
    return name


def test_what_is_kept_is_given_back(responses: Responses) -> None:
    found = responses.get(BOT, kept(responses))
    assert found.body == {"id": "resp_1"}
    assert found.input == [{"id": "item"}]
    assert found.messages == [{"content": SECRET}]


def test_nobody_elses_response_exists(responses: Responses) -> None:
    name = kept(responses)
    for act in (responses.get, responses.delete):
        with pytest.raises(ResponseNotFound):
            act(OTHER, name)
    assert responses.get(BOT, name)


@pytest.mark.parametrize("actor", [ANONYMOUS, Actor("key:9", "third", frozenset({Role.CLIENT}))])
def test_nothing_is_kept_for_those_who_are_not_named(responses: Responses, actor: Actor) -> None:
    assert not responses.keeps_for(actor)
    with pytest.raises(ResponseNotFound, match=r"config\.yaml"):
        kept(responses, actor)
    with pytest.raises(ResponseNotFound):
        responses.get(actor, "resp_1")


def test_who_may_not_ask_a_model_may_not_read_what_it_said(responses: Responses) -> None:
    kept(responses)
    with pytest.raises(Forbidden):
        responses.get(AUDITOR, "resp_1")


def test_after_its_time_it_is_gone_and_so_is_its_text(
    responses: Responses, clock: FixedClock, tmp_path: Path
) -> None:
    name = kept(responses)
    clock.advance(24 * 3600 + 1)
    with pytest.raises(ResponseNotFound):
        responses.get(BOT, name)
    assert responses.sweep() == 1
    assert responses.sweep() == 0
    assert_gone(tmp_path)


def test_deleted_text_is_gone(responses: Responses, tmp_path: Path) -> None:
    responses.delete(BOT, kept(responses))
    with pytest.raises(ResponseNotFound):
        responses.delete(BOT, "resp_1")
    assert_gone(tmp_path)


def assert_gone(home: Path) -> None:
    """No file holds any of the text, neither the log beside the database nor a page given up."""
    for file in home.iterdir():
        assert SECRET[:29].encode() not in file.read_bytes(), file.name
