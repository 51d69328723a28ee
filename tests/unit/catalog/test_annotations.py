"""What people say about a model: who may, what is refused, and that each change is on record."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.authority.catalog import Catalog
from app.authority.catalog.annotations import MAX_ALIASES, MAX_NOTE, Annotations
from app.authority.catalog.verification import Checked, check_files
from app.authority.ledger import Kind, Ledger
from app.authority.permissions import Grant, Permission, grant
from app.authority.policy.routing import Route, Routing
from app.domain.actors import SYSTEM
from app.domain.refusals import Forbidden, InvalidRequest, ModelNotFound
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Import


@pytest.fixture
def change() -> Grant:
    return grant(OPERATOR, Permission.MODEL_CHANGE)


@pytest.fixture
def said(catalog: Catalog, engine: Engine, take: Import, tmp_path: Path) -> Iterator[Annotations]:
    take(good_model(tmp_path / "m"), "a/b")
    take(good_model(tmp_path / "n", seed=1), "a/c")
    return Annotations(catalog, engine, taken=["default"])


def generation(engine: Engine, model_id: str) -> int:
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT generation FROM model WHERE id = :i"), {"i": model_id}
        )
        return int(row.scalar_one())


def test_an_alias_leads_to_its_model_at_once_and_after_a_restart(
    said: Annotations, catalog: Catalog, engine: Engine, change: Grant
) -> None:
    routing = Routing({"default": ("a/b",)}, said.chains)
    with pytest.raises(ModelNotFound):
        routing.resolve("tiny", catalog.ids())
    said.put_alias(change, "a/b", "tiny")
    assert routing.resolve("tiny", catalog.ids()) == Route("a/b")
    assert routing.aliases_of("a/b") == ["default", "tiny"]
    assert Annotations(catalog, engine).aliases == {"tiny": "a/b"}
    said.remove_alias(change, "a/b", "tiny")
    with pytest.raises(ModelNotFound):
        routing.resolve("tiny", catalog.ids())


def test_an_alias_that_is_moved_makes_plans_about_both_models_stale(
    said: Annotations, engine: Engine, ledger: Ledger, change: Grant
) -> None:
    said.put_alias(change, "a/b", "tiny")
    before = generation(engine, "a/b"), generation(engine, "a/c")
    said.put_alias(change, "a/c", "tiny")
    assert said.aliases == {"tiny": "a/c"}
    assert (generation(engine, "a/b"), generation(engine, "a/c")) == (before[0] + 1, before[1] + 1)
    event = ledger.events(kind=Kind.MODEL_CHANGED)[-1]
    assert (event.data["before"], event.data["after"]) == ("a/b", "a/c")


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "a/b",
        "a/c",
        "..",
        ".",
        "-x",
        "a b",
        "tiny\n",
        "té",
        "ｔiny",
        "ti\u200bny",
        "x" * 97,
        "a\x00",
    ],
)
def test_a_name_that_is_no_alias_is_refused(said: Annotations, change: Grant, alias: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be an alias"):
        said.put_alias(change, "a/b", alias)
    assert said.aliases == {}


@pytest.mark.parametrize("alias", ["default", "Default", "DEFAULT"])
def test_an_alias_of_the_file_is_neither_given_nor_imitated(
    said: Annotations, change: Grant, alias: str
) -> None:
    with pytest.raises(InvalidRequest):
        said.put_alias(change, "a/b", alias)
    with pytest.raises(InvalidRequest):
        said.remove_alias(change, "a/b", alias)


def test_an_alias_that_differs_in_case_only_is_refused(said: Annotations, change: Grant) -> None:
    said.put_alias(change, "a/b", "Tiny")
    with pytest.raises(InvalidRequest, match="upper and lower case"):
        said.put_alias(change, "a/c", "tiny")


def test_a_name_that_the_file_and_people_give_is_the_files(
    said: Annotations, change: Grant
) -> None:
    said.put_alias(change, "a/b", "tiny")
    routing = Routing({"tiny": ("a/c",)}, said.chains)
    assert routing.resolve("tiny", {"a/b", "a/c"}) == Route("a/c")


def test_a_model_has_only_so_many_aliases(said: Annotations, change: Grant) -> None:
    for n in range(MAX_ALIASES):
        said.put_alias(change, "a/b", f"n{n}")
    with pytest.raises(InvalidRequest, match="the most"):
        said.put_alias(change, "a/b", "one-more")


def test_a_pin_and_a_note_stay_and_are_on_record(
    said: Annotations, catalog: Catalog, engine: Engine, ledger: Ledger, change: Grant
) -> None:
    before = generation(engine, "a/b")
    said.pin(change, "a/b", pinned=True)
    said.note(change, "a/b", "Für die Übersetzer — nicht löschen 😀")
    assert generation(engine, "a/b") == before + 2
    assert (catalog.get("a/b").pinned, catalog.get("a/b").note[:3]) == (True, "Für")
    changes = [(e.data["change"], e.data["after"]) for e in ledger.events(kind=Kind.MODEL_CHANGED)]
    assert changes[0] == ("pin", "pinned")
    assert changes[1][0] == "note"
    with engine.connect() as connection:
        row = connection.execute(text("SELECT pinned, note FROM model WHERE id = 'a/b'")).one()
    assert (row.pinned, row.note) == (1, catalog.get("a/b").note)


def test_what_is_said_already_changes_and_records_nothing(
    said: Annotations, ledger: Ledger, change: Grant
) -> None:
    said.put_alias(change, "a/b", "tiny")
    said.pin(change, "a/b", pinned=True)
    said.note(change, "a/b", "x")
    size = ledger.size()
    said.put_alias(change, "a/b", "tiny")
    said.pin(change, "a/b", pinned=True)
    said.note(change, "a/b", "x")
    assert ledger.size() == size


@pytest.mark.parametrize(
    "note",
    [
        "a\nb",
        "\x1b[31m",
        "\u202egnp",
        "a\u200bb",
        "\ufeff",
        "\u2066",
        "\u3164",
        "\ud800",
        "x" * 501,
    ],
)
def test_a_note_that_hides_something_or_is_too_long_is_refused(
    said: Annotations, catalog: Catalog, change: Grant, note: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        said.note(change, "a/b", note)
    assert refused.value.message.isprintable()
    assert catalog.get("a/b").note == ""


def test_the_longest_note_is_kept(said: Annotations, catalog: Catalog, change: Grant) -> None:
    said.note(change, "a/b", "é" * MAX_NOTE)
    assert len(catalog.get("a/b").note) == MAX_NOTE


def test_nothing_is_said_of_a_model_that_is_not_there(said: Annotations, change: Grant) -> None:
    with pytest.raises(ModelNotFound):
        said.put_alias(change, "no/model", "tiny")
    with pytest.raises(ModelNotFound):
        said.pin(change, "no/model", pinned=True)
    with pytest.raises(ModelNotFound):
        said.note(change, "no/model", "x")


def test_a_model_deleted_meanwhile_is_not_brought_back_by_a_note(
    said: Annotations, catalog: Catalog, engine: Engine, ledger: Ledger, change: Grant
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM artifact WHERE model_id = 'a/b'"))
        connection.execute(text("DELETE FROM model WHERE id = 'a/b'"))
    size = ledger.size()
    with pytest.raises(ModelNotFound):
        said.note(change, "a/b", "x")
    assert ledger.size() == size
    assert "a/b" not in catalog.ids()


def test_only_a_grant_for_changing_changes(said: Annotations) -> None:
    for other in (Permission.MODEL_IMPORT, Permission.MODEL_LOAD):
        with pytest.raises(TypeError):
            said.put_alias(grant(OPERATOR, other), "a/b", "tiny")
        with pytest.raises(TypeError):
            said.pin(grant(OPERATOR, other), "a/b", pinned=True)
        with pytest.raises(TypeError):
            said.note(grant(OPERATOR, other), "a/b", "x")
    with pytest.raises(Forbidden):
        grant(SYSTEM, Permission.MODEL_CHANGE)


def test_what_is_said_while_a_model_is_hashed_is_not_forgotten(
    said: Annotations, catalog: Catalog, change: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*arguments: object, **more: object) -> Checked:
        said.pin(change, "a/b", pinned=True)
        return check_files(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("app.authority.catalog.verifying.check_files", meanwhile)
    catalog.verify("a/b", full=True)
    assert catalog.get("a/b").pinned
