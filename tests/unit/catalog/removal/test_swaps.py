"""What is put in the place of a model's files is named and left alone; what it leads to stays."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.authority.catalog.removal.handles import Foreign
from app.authority.ledger.writing import writing
from app.domain.models import CatalogModel
from tests.fakes.removal import Attic
from tests.unit.catalog.removal.swaps import KINDS, Outside, outside_at

WEIGHTS = "model.safetensors"


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return outside_at(tmp_path / "outside")


@pytest.fixture
def model(attic: Attic) -> CatalogModel:
    return attic.take("a/b")


def named(failed: list[str], path: str) -> bool:
    return any(failure.startswith(f"{path}: ") for failure in failed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["view", "blob"])
def test_a_file_that_was_swapped_before_the_deletion_is_named_and_survives_the_purge(
    attic: Attic, model: CatalogModel, outside: Outside, kind: str, where: str
) -> None:
    path = attic.view(model) / WEIGHTS if where == "view" else attic.blob(model, WEIGHTS)
    KINDS[kind](path, outside)
    moved, trash_id = attic.trash.delete(attic.deletion("a/b"))
    assert named(moved.failed, WEIGHTS)
    assert len(moved.failed) == 1
    assert outside.is_unharmed()
    assert attic.catalog.ids() == set()
    attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert outside.is_unharmed()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["view", "blobs"])
def test_a_file_that_was_swapped_in_the_trash_is_named_and_survives_the_purge(
    attic: Attic, model: CatalogModel, outside: Outside, kind: str, where: str
) -> None:
    sha256 = attic.blob(model, WEIGHTS).name
    trash_id = attic.delete("a/b")
    entry = attic.home / "trash" / trash_id
    path = entry / "view" / WEIGHTS if where == "view" else entry / "blobs" / sha256
    KINDS[kind](path, outside)
    removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert named(removed.failed, WEIGHTS)
    assert outside.is_unharmed()
    assert path.is_symlink() or path.exists()
    assert attic.trash.entries()[0].state == "partial"
    assert [p.name for p in entry.rglob("*") if p.name in {"config.json", "tokenizer.json"}] == []


def test_a_second_purge_does_not_count_what_the_first_one_freed(
    attic: Attic, model: CatalogModel, outside: Outside
) -> None:
    trash_id = attic.delete("a/b")
    KINDS["symlink"](attic.home / "trash" / trash_id / "view" / WEIGHTS, outside)
    first, second = attic.purge_warrant(trash_id), attic.purge_warrant(trash_id)
    assert first.plan_hash != second.plan_hash
    freed = attic.trash.purge(first, trash_id)
    assert freed.files
    assert attic.trash.purge(first, trash_id).freed_bytes == freed.freed_bytes
    again = attic.trash.purge(second, trash_id)
    assert (again.freed_bytes, again.files) == (0, 0)
    assert attic.trash.entries()[0].freed_bytes == freed.freed_bytes
    assert named(again.failed, WEIGHTS)


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
@pytest.mark.parametrize("which", ["view", "models"])
def test_a_directory_that_was_swapped_stops_the_deletion_before_anything_changes(
    attic: Attic, model: CatalogModel, outside: Outside, kind: str, which: str
) -> None:
    path = attic.view(model) if which == "view" else attic.store / "models"
    KINDS[kind](path, outside)
    with pytest.raises(Foreign):
        attic.trash.delete(attic.deletion("a/b"))
    assert outside.is_unharmed()
    assert attic.catalog.ids() == {"a/b"}
    assert attic.trash.entries() == []
    assert attic.blob(model, WEIGHTS).exists()


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_a_shelf_that_was_swapped_keeps_its_blobs(
    attic: Attic, model: CatalogModel, outside: Outside, kind: str
) -> None:
    KINDS[kind](attic.blob(model, WEIGHTS).parent, outside)
    moved, _ = attic.trash.delete(attic.deletion("a/b"))
    assert named(moved.failed, WEIGHTS)
    assert outside.is_unharmed()


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
@pytest.mark.parametrize("which", ["view", "blobs", ""])
def test_a_directory_of_the_trash_that_was_swapped_is_not_entered(
    attic: Attic, outside: Outside, model: CatalogModel, kind: str, which: str
) -> None:
    (outside.directory / WEIGHTS).write_bytes(b"weights of somebody else")
    trash_id = attic.delete(model.id)
    KINDS[kind](attic.home / "trash" / trash_id / which, outside)
    try:
        assert attic.trash.purge(attic.purge_warrant(trash_id), trash_id).failed
    except Foreign:
        assert not which
    assert (outside.directory / WEIGHTS).read_bytes() == b"weights of somebody else"
    assert outside.file.exists()


def test_the_store_itself_may_not_be_a_link(attic: Attic, model: CatalogModel) -> None:
    aside = attic.home / "aside"
    attic.store.rename(aside)
    attic.store.symlink_to(aside)
    with pytest.raises(NotADirectoryError):
        attic.trash.delete(attic.deletion(model.id))
    assert attic.trash.entries() == []


@pytest.mark.parametrize("path", ["../../../../outside/precious", "/etc/hostname", "..", "a/../b"])
def test_a_manifest_row_that_leads_elsewhere_is_named_and_reaches_nothing(
    attic: Attic, model: CatalogModel, outside: Outside, path: str
) -> None:
    with writing(attic.engine) as connection:
        connection.execute(
            text("UPDATE artifact SET path = :path WHERE path = :weights"),
            {"path": path, "weights": WEIGHTS},
        )
    moved, trash_id = attic.trash.delete(attic.deletion(model.id))
    assert named(moved.failed, path)
    attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert outside.is_unharmed()
    assert Path("/etc/hostname").exists()


def test_what_does_not_belong_to_the_model_is_named_and_never_removed(
    attic: Attic, model: CatalogModel
) -> None:
    view = attic.view(model)
    view.chmod(0o700)
    (view / "diary.txt").write_text("mine")
    moved, trash_id = attic.trash.delete(attic.deletion(model.id))
    assert moved.failed == ["diary.txt: does not belong to the model"]
    removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert named(removed.failed, "diary.txt")
    assert removed.freed_bytes > 0
    assert (attic.home / "trash" / trash_id / "view" / "diary.txt").read_text() == "mine"
