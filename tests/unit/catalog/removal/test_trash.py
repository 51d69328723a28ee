"""A deleted model goes into the trash whole, comes back whole, and goes for good when it is due."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.authority.ledger import Kind
from app.authority.ledger.tiles import StoredTiles
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor, Role
from app.domain.refusals import ModelNotFound, PlanStale, RestoreRefused, TrashNotFound
from tests.fakes.removal import GRACE_S, OPERATOR, Attic, after_purge


def inodes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in directory.iterdir()}


def test_a_deleted_model_is_gone_from_store_and_catalog(attic: Attic) -> None:
    model = attic.take("a/b")
    trash_id = attic.delete("a/b")
    assert attic.catalog.ids() == set()
    with pytest.raises(ModelNotFound):
        attic.catalog.get("a/b")
    assert not attic.view(model).exists()
    assert [p for p in (attic.store / "blobs").rglob("*") if p.is_file()] == []
    (entry,) = attic.trash.entries()
    assert (entry.id, entry.state, entry.size_bytes) == (trash_id, "trashed", model.size_bytes)
    assert entry.purge_after_us - entry.trashed_us == GRACE_S * 1_000_000


def test_a_deleted_model_is_restored_whole(attic: Attic) -> None:
    model = attic.take("a/b")
    before, names = attic.files(), inodes(attic.view(model))
    with attic.engine.begin() as connection:
        connection.execute(text("INSERT INTO model_alias (alias, model_id) VALUES ('nick', 'a/b')"))
    trash_id = attic.delete("a/b")
    assert attic.restore(trash_id) == model
    assert attic.files() == before
    assert inodes(attic.view(model)) == names
    assert attic.view(model).stat().st_mode & 0o777 == 0o500
    assert not (attic.home / "trash" / trash_id).exists()
    attic.catalog.verify("a/b", full=True)
    with attic.engine.connect() as connection:
        assert connection.execute(text("SELECT alias FROM model_alias")).scalar() == "nick"
        assert connection.execute(text("SELECT generation FROM model")).scalar_one() > 1
    (event,) = attic.ledger.events(kind=Kind.MODEL_RESTORED)
    run = event.data["run"]
    assert event.data == {"digest": model.digest, "trash": trash_id, "run": run}
    assert StoredTiles(attic.ledger.readers).blob(str(run)) is not None


def test_a_blob_that_another_model_needs_stays(attic: Attic) -> None:
    first, second = attic.take("a/b", seed=1), attic.take("a/c", seed=2)
    shared = attic.blob(first, "config.json")
    assert shared == attic.blob(second, "config.json")
    trash_id = attic.delete("a/b")
    assert shared.exists()
    attic.catalog.verify("a/c", full=True)
    attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    attic.catalog.verify("a/c", full=True)
    assert inodes(attic.view(second))["config.json"] == shared.stat().st_ino


def test_bytes_that_two_trashed_models_share_outlive_the_purge_of_one(attic: Attic) -> None:
    attic.take("a/b", seed=1)
    second = attic.take("a/c", seed=2)
    first_id, second_id = attic.delete("a/b"), attic.delete("a/c")
    attic.trash.purge(attic.purge_warrant(first_id), first_id)
    assert attic.restore(second_id) == second
    attic.catalog.verify("a/c", full=True)


def test_models_with_the_same_bytes_are_deleted_one_by_one(attic: Attic) -> None:
    first, second = attic.take("a/b"), attic.take("a/c")
    assert first.digest == second.digest
    first_id = attic.delete("a/b")
    attic.catalog.verify("a/c", full=True)
    second_id = attic.delete("a/c")
    attic.trash.purge(attic.purge_warrant(second_id), second_id)
    assert attic.restore(first_id).digest == first.digest
    attic.catalog.verify("a/b", full=True)


def test_a_model_whose_twin_is_there_is_restored_beside_it(attic: Attic) -> None:
    attic.take("a/b")
    attic.take("a/c")
    trash_id = attic.delete("a/b")
    attic.restore(trash_id)
    for name in ("a/b", "a/c"):
        attic.catalog.verify(name, full=True)
    assert not (attic.home / "trash" / trash_id).exists()


def test_bytes_that_were_imported_again_are_one_file_after_a_restore(attic: Attic) -> None:
    attic.take("a/b", seed=1)
    trash_id = attic.delete("a/b")
    again = attic.take("a/c", seed=1)
    attic.restore(trash_id)
    assert (
        attic.blob(again, "config.json").stat().st_ino == inodes(attic.view(again))["config.json"]
    )
    attic.catalog.verify("a/b", full=True)
    assert not (attic.home / "trash" / trash_id).exists()


def test_a_name_that_other_bytes_have_is_not_restored(attic: Attic) -> None:
    attic.take("a/b", seed=1)
    trash_id = attic.delete("a/b")
    attic.take("a/b", seed=2)
    before = attic.files()
    with pytest.raises(RestoreRefused, match="other files"):
        attic.restore(trash_id)
    assert attic.files() == before


def test_changed_bytes_are_not_restored(attic: Attic) -> None:
    attic.take("a/b")
    trash_id = attic.delete("a/b")
    path = attic.home / "trash" / trash_id / "view" / "model.safetensors"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(RestoreRefused, match="model.safetensors"):
        attic.restore(trash_id)
    assert attic.catalog.ids() == set()
    assert attic.ledger.events(kind=Kind.MODEL_RESTORED) == []


def test_only_what_is_in_the_trash_is_restored(attic: Attic) -> None:
    attic.take("a/b")
    trash_id = attic.delete("a/b")
    attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    with pytest.raises(RestoreRefused, match="purged"):
        attic.restore(trash_id)
    with pytest.raises(TrashNotFound):
        attic.restore("nosuchid")


def test_restoring_takes_a_grant_for_it(attic: Attic) -> None:
    auditor = Actor("key:a", "auditor", frozenset({Role.AUDITOR, Role.OPERATOR}))
    with pytest.raises(TypeError):
        attic.trash.restore(grant(auditor, Permission.STORE_READ), "00000000")


def test_deleting_twice_with_one_warrant_is_once(attic: Attic) -> None:
    attic.take("a/b")
    warrant = attic.deletion("a/b")
    assert attic.trash.delete(warrant) == attic.trash.delete(warrant)
    assert len(attic.trash.entries()) == 1


def test_a_model_that_took_the_name_meanwhile_is_not_deleted(attic: Attic) -> None:
    attic.take("a/b", seed=1)
    warrant = attic.deletion("a/b")
    attic.delete("a/b")
    attic.take("a/b", seed=2)
    with pytest.raises(PlanStale):
        attic.trash.delete(warrant)
    attic.catalog.verify("a/b", full=True)


def test_what_could_not_be_done_is_said_again_by_whoever_asks_again(attic: Attic) -> None:
    model = attic.take("a/b")
    view = attic.view(model)
    view.chmod(0o700)
    (view / "diary.txt").write_text("mine")
    warrant = attic.deletion("a/b")
    first = attic.trash.delete(warrant)
    assert first[0].failed == ["diary.txt: does not belong to the model"]
    assert attic.trash.delete(warrant) == first


def test_without_a_warrant_nothing_goes(attic: Attic) -> None:
    attic.take("a/b")
    trash_id = attic.delete("a/b")
    attic.take("a/c", seed=3)
    for warrant in (None, OPERATOR, attic.purge_warrant(trash_id)):
        with pytest.raises(TypeError):
            attic.trash.delete(warrant)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        attic.trash.purge(attic.deletion("a/c"), trash_id)


def test_a_purge_frees_what_the_disk_says(attic: Attic) -> None:
    model = attic.take("a/b")
    blocks = sum(path.stat().st_blocks * 512 for path in attic.view(model).iterdir())
    trash_id = attic.delete("a/b")
    removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert (removed.freed_bytes, removed.failed) == (blocks, [])
    assert removed.files == 3
    assert list((attic.home / "trash").iterdir()) == []
    (entry,) = attic.trash.entries()
    assert (entry.state, entry.freed_bytes) == ("purged", blocks)


def test_a_purge_that_frees_nothing_says_so(attic: Attic) -> None:
    attic.take("a/b")
    attic.take("a/c")
    trash_id = attic.delete("a/b")
    assert attic.trash.purge(attic.purge_warrant(trash_id), trash_id).freed_bytes == 0


def test_the_approval_of_the_deletion_covers_the_purge_after_the_grace_only(attic: Attic) -> None:
    attic.take("a/b")
    warrant = attic.deletion("a/b")
    _, trash_id = attic.trash.delete(warrant)
    later = after_purge(warrant)
    assert attic.trash.bin.due(attic.clock.utc_us()) == []
    attic.clock.advance(GRACE_S - 1)
    with pytest.raises(TypeError, match="not yet"):
        attic.trash.purge(later, trash_id)
    attic.clock.advance(1)
    assert [entry.id for entry in attic.trash.bin.due(attic.clock.utc_us())] == [trash_id]
    assert attic.trash.purge(later, trash_id).freed_bytes > 0
    assert attic.trash.bin.due(attic.clock.utc_us()) == []


def test_the_approval_of_one_deletion_does_not_purge_another(attic: Attic) -> None:
    attic.take("a/b")
    attic.take("a/c", seed=5)
    warrant = attic.deletion("a/b")
    attic.trash.delete(warrant)
    other_id = attic.delete("a/c")
    attic.clock.advance(GRACE_S)
    with pytest.raises(TypeError, match="does not cover"):
        attic.trash.purge(after_purge(warrant), other_id)


def test_a_quarantined_model_with_a_missing_file_can_be_deleted(attic: Attic) -> None:
    model = attic.take("a/b")
    view = attic.view(model)
    view.chmod(0o700)
    (view / "tokenizer.json").unlink()
    attic.blob(model, "tokenizer.json").unlink()
    removed, trash_id = attic.trash.delete(attic.deletion("a/b"))
    assert removed.failed == []
    with pytest.raises(RestoreRefused, match="tokenizer.json"):
        attic.restore(trash_id)
    assert attic.trash.purge(attic.purge_warrant(trash_id), trash_id).failed == []
