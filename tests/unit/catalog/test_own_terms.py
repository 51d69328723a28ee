"""Terms of a model's own: what may be set, that it stays, and that each change is on record."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.authority.catalog import Catalog
from app.authority.catalog.annotations import Annotations
from app.authority.ledger import Kind, Ledger
from app.authority.permissions import Grant, Permission, grant
from app.domain.models import CatalogModel
from app.domain.refusals import InvalidRequest, ModelNotFound
from app.domain.terms import MAX_IDLE_S, MAX_SLOTS, NEVER, OwnTerms, UsualTerms
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Import

SETTINGS = UsualTerms(context=4096, slots=4, idle_s=3600)


@pytest.fixture
def change() -> Grant:
    return grant(OPERATOR, Permission.MODEL_CHANGE)


@pytest.fixture
def model(take: Import, tmp_path: Path) -> CatalogModel:
    return take(good_model(tmp_path / "m"), "a/b")


@pytest.fixture
def said(catalog: Catalog, engine: Engine, model: CatalogModel) -> Annotations:
    return Annotations(catalog, engine)


def test_what_is_set_stays_and_what_is_not_said_is_kept(
    said: Annotations, catalog: Catalog, engine: Engine, change: Grant
) -> None:
    said.set_terms(change, "a/b", context=64)
    said.set_terms(change, "a/b", slots=2, idle_s=NEVER)
    for known in (said, Annotations(catalog, engine)):
        assert known.terms == {"a/b": OwnTerms(64, 2, 0)}
        assert known.own_terms("a/b") == OwnTerms(64, 2, 0)
    assert said.own_terms("no/model") == OwnTerms()


def test_what_is_forgotten_leaves_no_row(said: Annotations, engine: Engine, change: Grant) -> None:
    said.set_terms(change, "a/b", context=64, slots=2)
    said.set_terms(change, "a/b", context=None)
    assert said.terms == {"a/b": OwnTerms(slots=2)}
    said.set_terms(change, "a/b", slots=None)
    assert said.terms == {}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM model_terms")).scalar_one() == 0


def test_each_change_is_on_record_in_words_and_makes_plans_stale(
    said: Annotations, catalog: Catalog, ledger: Ledger, change: Grant
) -> None:
    generation = catalog.generation("a/b")
    said.set_terms(change, "a/b", context=64, idle_s=NEVER)
    said.set_terms(change, "a/b", idle_s=600)
    assert catalog.generation("a/b") == generation + 2
    first, second = ledger.events(kind=Kind.MODEL_CHANGED)
    assert first.data["change"] == "terms"
    assert first.data["before"] == "context default, slots default, idle default"
    assert first.data["after"] == "context 64, slots default, idle never"
    assert second.data["before"] == first.data["after"]
    assert second.data["after"] == "context 64, slots default, idle 600 s"


def test_what_is_set_already_changes_and_records_nothing(
    said: Annotations, ledger: Ledger, change: Grant
) -> None:
    said.set_terms(change, "a/b", slots=2)
    size = ledger.size()
    said.set_terms(change, "a/b", slots=2, context=None)
    said.set_terms(change, "a/b")
    assert ledger.size() == size


def test_the_ends_of_what_may_be_set_are_taken(
    said: Annotations, model: CatalogModel, change: Grant
) -> None:
    for own in (OwnTerms(1, 1, 0), OwnTerms(model.max_context, MAX_SLOTS, MAX_IDLE_S)):
        said.set_terms(change, "a/b", context=own.context, slots=own.slots, idle_s=own.idle_s)
        assert said.own_terms("a/b") == own


@pytest.mark.parametrize(
    ("term", "value"),
    [
        *(("context", 0), ("context", 10**6), ("context", -1)),
        *(("slots", 0), ("slots", MAX_SLOTS + 1)),
        *(("idle_s", -1), ("idle_s", MAX_IDLE_S + 1)),
    ],
)
def test_what_no_load_can_have_is_refused_and_nothing_of_it_is_set(
    said: Annotations, ledger: Ledger, change: Grant, term: str, value: int
) -> None:
    size, good = ledger.size(), {"context": 64, "slots": 2, "idle_s": 60}
    with pytest.raises(InvalidRequest) as refused:
        said.set_terms(change, "a/b", **{**good, term: value})
    assert refused.value.param == term
    assert (said.terms, ledger.size()) == ({}, size)


def test_terms_are_those_of_a_model_that_is_there_and_take_a_grant_for_it(
    said: Annotations, change: Grant
) -> None:
    with pytest.raises(ModelNotFound):
        said.set_terms(change, "no/model", slots=2)
    with pytest.raises(TypeError):
        said.set_terms(grant(OPERATOR, Permission.MODEL_LOAD), "a/b", slots=2)


@pytest.mark.parametrize(
    ("own", "usual"),
    [
        (OwnTerms(), UsualTerms(512, 4, 3600)),
        (OwnTerms(context=64), UsualTerms(64, 4, 3600)),
        (OwnTerms(context=1024, slots=1), UsualTerms(512, 1, 3600)),
        (OwnTerms(idle_s=NEVER), UsualTerms(512, 4, 0)),
    ],
)
def test_what_a_load_gets_is_what_is_set_else_the_settings_and_never_more_than_the_model_takes(
    own: OwnTerms, usual: UsualTerms
) -> None:
    assert SETTINGS.for_model(own, max_context=512) == usual


def test_part_of_a_second_is_not_told_as_never() -> None:
    assert UsualTerms(1, 1, 0.2).as_dict()["idle_s"] == 1
