"""An alias that leads on to further models: who they may be, what is on record, who notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.authority.catalog import Catalog
from app.authority.catalog.annotations import MAX_ALIASES, Annotations
from app.authority.catalog.chains import MAX_CHAIN
from app.authority.ledger import Kind, Ledger
from app.authority.permissions import Grant, Permission, grant
from app.authority.policy.routing import Route, Routing
from app.domain.refusals import InvalidRequest, ModelNotFound
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Import

NAMES = tuple(f"a/{n}" for n in range(MAX_CHAIN + 1))


@pytest.fixture
def change() -> Grant:
    return grant(OPERATOR, Permission.MODEL_CHANGE)


@pytest.fixture
def said(catalog: Catalog, engine: Engine, take: Import, tmp_path: Path) -> Iterator[Annotations]:
    for name in NAMES:
        take(good_model(tmp_path / name), name)
    return Annotations(catalog, engine)


def generations(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, generation FROM model"))
        return {row.id: row.generation for row in rows}


def changed(engine: Engine, before: dict[str, int]) -> set[str]:
    return {name for name, now in generations(engine).items() if now != before[name]}


def test_a_chain_is_routed_in_its_order_at_once_and_after_a_restart(
    said: Annotations, catalog: Catalog, engine: Engine, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/2", "a/1"])
    for known in (said, Annotations(catalog, engine)):
        routing = Routing({}, known.chains)
        assert routing.resolve("tiny", catalog.ids()) == Route("a/0", ("a/2", "a/1"))
        assert known.aliases == {"tiny": "a/0"}


def test_what_is_on_record_names_every_model_before_and_after(
    said: Annotations, ledger: Ledger, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    said.put_alias(change, "a/0", "tiny", ["a/2", "a/1"])
    said.remove_alias(change, "a/0", "tiny")
    told = [(e.data["before"], e.data["after"]) for e in ledger.events(kind=Kind.MODEL_CHANGED)]
    assert told == [
        ("", "a/0, then a/1"),
        ("a/0, then a/1", "a/0, then a/2, then a/1"),
        ("a/0, then a/2, then a/1", ""),
    ]


def test_an_alias_that_is_given_without_further_models_leads_to_one_again(
    said: Annotations, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    said.put_alias(change, "a/0", "tiny")
    assert said.chains() == {"tiny": ("a/0",)}


def test_the_same_chain_again_changes_and_records_nothing(
    said: Annotations, ledger: Ledger, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    size = ledger.size()
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    assert ledger.size() == size


def test_plans_about_every_model_that_enters_or_leaves_a_chain_are_stale(
    said: Annotations, engine: Engine, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    before = generations(engine)
    said.put_alias(change, "a/3", "tiny", ["a/2"])
    assert changed(engine, before) == {"a/0", "a/1", "a/2", "a/3"}
    before = generations(engine)
    said.remove_alias(change, "a/3", "tiny")
    assert changed(engine, before) == {"a/2", "a/3"}


def test_a_chain_has_eight_models_at_most_and_each_once(said: Annotations, change: Grant) -> None:
    said.put_alias(change, NAMES[0], "tiny", NAMES[1:MAX_CHAIN])
    for further in (NAMES[1 : MAX_CHAIN + 1], ["a/0"], ["a/1", "a/2", "a/1"]):
        with pytest.raises(InvalidRequest) as refused:
            said.put_alias(change, NAMES[0], "tiny", further)
        assert refused.value.param == "then"
    assert said.chains() == {"tiny": NAMES[:MAX_CHAIN]}


def test_a_chain_leads_to_models_that_are_there(said: Annotations, change: Grant) -> None:
    with pytest.raises(ModelNotFound):
        said.put_alias(change, "a/0", "tiny", ["no/model"])
    assert said.chains() == {}


def test_a_model_deleted_meanwhile_enters_no_chain(
    said: Annotations, engine: Engine, ledger: Ledger, change: Grant
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM artifact WHERE model_id = 'a/1'"))
        connection.execute(text("DELETE FROM model WHERE id = 'a/1'"))
    size = ledger.size()
    with pytest.raises(ModelNotFound, match="a/1"):
        said.put_alias(change, "a/0", "tiny", ["a/1"])
    assert (ledger.size(), said.chains()) == (size, {})


def test_only_the_model_that_an_alias_leads_to_first_gives_it_up(
    said: Annotations, change: Grant
) -> None:
    said.put_alias(change, "a/0", "tiny", ["a/1"])
    with pytest.raises(InvalidRequest, match="no alias of a/1"):
        said.remove_alias(change, "a/1", "tiny")


def test_a_model_with_as_many_aliases_as_there_may_be_can_still_change_one(
    said: Annotations, change: Grant
) -> None:
    for n in range(MAX_ALIASES):
        said.put_alias(change, "a/0", f"n{n}")
    said.put_alias(change, "a/0", "n0", ["a/1"])
    assert said.chains()["n0"] == ("a/0", "a/1")
