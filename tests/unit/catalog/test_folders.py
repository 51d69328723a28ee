"""How sentence-transformers say that a model pools lies in a folder, the only one that is taken."""

import errno
import os
from pathlib import Path

import pytest

from app.authority.catalog import Catalog
from app.authority.catalog.caches import Program
from app.authority.catalog.kinds import POOLING
from app.authority.permissions import Permission
from app.domain.refusals import DigestMismatch, IntakeRefused
from tests.fakes.caches import hub_cache, state_of
from tests.fakes.removal import new_attic
from tests.model_files import good_model
from tests.unit.catalog.conftest import Adopt, Import

FLAT = "pooling.json"
CLS = b'{"pooling_mode_cls_token": true}'


def pooled(directory: Path, **files: bytes) -> Path:
    """A model with the file in its folder; `files` lie beside it, `_` for the dot."""
    good_model(directory)
    (directory / "1_Pooling").mkdir()
    (directory / POOLING).write_bytes(CLS)
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_bytes(content)
    return directory


def paths(catalog: Catalog, model_id: str) -> set[str]:
    return {artifact.path for artifact in catalog.manifest(model_id).artifacts}


def test_the_file_is_recorded_by_its_path_and_held_without_a_folder(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    take(pooled(tmp_path / "m"), "a/b")
    assert POOLING in paths(catalog, "a/b")
    view = catalog.verify("a/b", full=True)
    assert (view / FLAT).read_bytes() == CLS
    assert all(path.is_file() for path in view.iterdir())


def test_the_file_is_a_part_of_what_a_digest_names(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    plain = take(good_model(tmp_path / "plain"), "a/plain")
    way = take(pooled(tmp_path / "m"), "a/b")
    assert plain.digest != way.digest
    other = pooled(tmp_path / "other")
    (other / POOLING).write_bytes(b'{"pooling_mode_mean_tokens": true}')
    assert take(other, "a/c").digest != way.digest


def test_a_file_that_was_put_beside_the_others_by_hand_is_the_one_that_counts(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    by_hand = good_model(tmp_path / "by-hand")
    (by_hand / FLAT).write_bytes(CLS)
    before = take(by_hand, "a/before")
    assert take(pooled(tmp_path / "m", pooling_json=CLS), "a/b").digest == before.digest
    assert paths(catalog, "a/b") & {POOLING, FLAT} == {FLAT}


def test_a_file_may_be_called_as_anything_of_ours(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    (directory / "journal.json").write_bytes(b'{"mine": 1}')
    take(directory, "a/b")
    assert (catalog.verify("a/b", full=True) / "journal.json").read_bytes() == b'{"mine": 1}'


def test_nothing_else_is_taken_from_folders(take: Import, catalog: Catalog, tmp_path: Path) -> None:
    directory = pooled(tmp_path / "m")
    (directory / "1_Pooling" / "other.json").write_text("{}")
    for folder in ("2_Pooling", "deep/1_Pooling", "1_pooling"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / "2_Pooling" / "config.json").write_text("{}")
    (directory / "deep" / POOLING).write_text("{}")
    take(directory, "a/b")
    assert [path for path in paths(catalog, "a/b") if "/" in path] == [POOLING]


@pytest.mark.parametrize("way", ["the file", "the folder"])
def test_a_link_in_its_place_is_not_followed(take: Import, tmp_path: Path, way: str) -> None:
    directory = pooled(tmp_path / "m")
    (directory / POOLING).rename(tmp_path / "config.json")
    if way == "the file":
        (directory / POOLING).symlink_to(tmp_path / "config.json")
    else:
        (directory / "1_Pooling").rmdir()
        (directory / "1_Pooling").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(IntakeRefused, match="1_Pooling.* is a link"):
        take(directory, "a/b")


@pytest.mark.parametrize("how", ["other bytes", "gone", "a folder"])
def test_damage_is_found_and_named_by_its_path(
    take: Import, catalog: Catalog, tmp_path: Path, how: str
) -> None:
    take(pooled(tmp_path / "m"), "a/b")
    view = catalog.verify("a/b")
    view.chmod(0o700)
    (view / FLAT).unlink()
    if how == "other bytes":
        (view / FLAT).write_bytes(CLS.replace(b"true", b"null"))
    elif how == "a folder":
        (view / "1_Pooling").mkdir()
        (view / POOLING).write_bytes(CLS)
    with pytest.raises(DigestMismatch) as refused:
        catalog.verify("a/b", full=True)
    assert POOLING in refused.value.details["paths"]


@pytest.mark.parametrize("links", ["hard", "symbolic"])
def test_a_model_of_another_program_is_used_with_it(
    adopt: Adopt, catalog: Catalog, tmp_path: Path, links: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub_cache(tmp_path / "hub", pooled(tmp_path / "m"))
    before = state_of(folder)
    if links == "symbolic":
        monkeypatch.setattr(os, "link", _other_volume)
    adopt(Program.HUGGING_FACE, "org/model")
    view = catalog.verify("org/model", full=True)
    assert (view / FLAT).read_bytes() == CLS
    assert (view / FLAT).is_symlink() == (links == "symbolic")
    assert POOLING in paths(catalog, "org/model")
    assert state_of(folder) == before


def _other_volume(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_it_is_deleted_restored_and_purged_with_its_model(tmp_path: Path) -> None:
    attic = new_attic(tmp_path / "home")
    try:
        may = attic.may(Permission.MODEL_IMPORT)
        directory = pooled(tmp_path / "m")
        model = attic.catalog.import_directory(may, directory, "a/b", lambda _: None, lambda: False)
        twin = attic.catalog.import_directory(may, directory, "a/twin", lambda _: None, bool)
        before = attic.files()
        first = attic.delete("a/b")
        attic.catalog.verify(twin.id, full=True)
        second = attic.delete("a/twin")
        assert attic.catalog.ids() == set()
        attic.restore(second)
        attic.catalog.verify("a/twin", full=True)
        assert attic.restore(first) == model
        attic.catalog.verify("a/b", full=True)
        assert attic.files() == before
        for name in ("a/b", "a/twin"):
            trash_id = attic.delete(name)
            removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
            assert removed.failed == []
        assert attic.files() == {}
    finally:
        attic.close()
