"""Every byte of the store is counted once, for whoever needs it."""

import os
from pathlib import Path

import pytest

from app.authority.catalog import Catalog
from app.authority.catalog.survey import Owner, Seen, Survey, Use, survey, walk
from tests.model_files import good_model
from tests.unit.catalog.conftest import Import

A, B, C = "a" * 64, "b" * 64, "c" * 64


def file(path: str, inode: int, size: int = 100, links: int = 1) -> Seen:
    return Seen(path, (1, inode), size, size + 12, links)


def blob(sha256: str, inode: int, links: int = 2) -> Seen:
    return file(f"blobs/sha256/{sha256[:2]}/{sha256}", inode, links=links)


def test_a_file_of_two_names_counts_once() -> None:
    found = survey(
        [blob(A, 1), file("models/d1/config.json", 1, links=2)],
        [Owner("m/1", "d1", frozenset({A}))],
    )
    assert found.total.as_dict() == {"files": 1, "bytes": 112, "apparent_bytes": 100}
    assert found.models["m/1"].own.files == 1
    assert found.models["m/1"].elsewhere.files == 0


def test_what_two_models_need_is_shared_and_counts_once_in_the_total() -> None:
    owners = [Owner("m/1", "d1", frozenset({A, B})), Owner("m/2", "d2", frozenset({A}))]
    found = survey([blob(A, 1), blob(B, 2), file("models/d2/x", 1, links=2)], owners)
    assert (found.models["m/1"].own.allocated, found.models["m/1"].shared.allocated) == (112, 112)
    assert (found.models["m/2"].own.allocated, found.models["m/2"].shared.allocated) == (0, 112)
    assert found.shared.files == 1
    assert found.total.allocated == 224


def test_the_same_bytes_under_two_names_are_shared() -> None:
    owners = [Owner("m/1", "d1", frozenset({A})), Owner("m/2", "d1", frozenset({A}))]
    assert survey([blob(A, 1)], owners).models["m/2"].shared.files == 1


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("blobs/sha256/cc/" + C, Use.ORPHANS),
        ("models/unknown/config.json", Use.ORPHANS),
        ("blobs/sha256/aa/" + A + ".old", Use.ORPHANS),
        ("notes.txt", Use.ORPHANS),
        ("incoming/1/file", Use.INCOMING),
        ("downloads/x/file", Use.DOWNLOADS),
        ("caches/prompts/1", Use.CACHES),
        ("trash/12345678/files/config.json", Use.TRASH),
    ],
)
def test_what_no_model_needs_has_the_use_of_its_folder(path: str, use: Use) -> None:
    found = survey([file(path, 1)], [Owner("m/1", "d1", frozenset({A}))])
    assert found.uses[use].files == 1
    assert found.orphans == ([path] if use is Use.ORPHANS else [])


def test_a_file_in_the_trash_that_a_model_still_needs_is_the_models() -> None:
    found = survey(
        [blob(A, 1), file("trash/12345678/config.json", 1, links=2)],
        [Owner("m/1", "d1", frozenset({A}))],
    )
    assert (found.uses[Use.TRASH].files, found.uses[Use.MODELS].files) == (0, 1)


def test_bytes_in_the_trash_are_told_by_entry() -> None:
    found = survey([file("trash/t1/a", 1), file("trash/t1/b", 2), file("trash/t2/a", 3)], [])
    assert {name: b.files for name, b in found.trash.items()} == {"t1": 2, "t2": 1}


def test_a_file_with_a_name_outside_the_store_is_told_apart() -> None:
    found = survey([blob(A, 1, links=3)], [Owner("m/1", "d1", frozenset({A}))])
    assert found.models["m/1"].elsewhere.allocated == 112


def test_names_of_orphans_are_bounded_and_counted() -> None:
    found = survey([file(f"stray-{n:03}", n) for n in range(50)], []).as_dict()
    assert (len(found["orphans"]), found["orphans_count"]) == (20, 50)


def _surveyed(catalog: Catalog, store: Path) -> Survey:
    return survey(walk(store), catalog.owners())


def test_a_real_store_is_measured_as_the_disk_says(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    take(good_model(tmp_path / "n", seed=1), "a/c")
    found = _surveyed(catalog, store)
    blobs = [p.stat() for p in (store / "blobs").rglob("*") if p.is_file()]
    assert found.total.apparent == sum(s.st_size for s in blobs)
    assert found.total.allocated == sum(s.st_blocks * 512 for s in blobs)
    assert found.orphans == []
    assert found.models["a/b"].own.files == 1
    assert found.models["a/b"].shared.files == 2
    assert found.models["a/b"].elsewhere.files == 0


def test_a_sparse_file_takes_what_is_allocated(store: Path, tmp_path: Path) -> None:
    store.mkdir()
    with (store / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (seen,) = walk(store)
    assert (seen.apparent, seen.allocated < 1 << 20) == (1 << 30, True)


def test_links_and_pipes_are_seen_and_never_followed(store: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 5000)
    store.mkdir()
    (store / "link").symlink_to(outside)
    (store / "file-link").symlink_to(outside / "big")
    os.mkfifo(store / "pipe")
    found = {seen.path: seen.apparent for seen in walk(store)}
    assert set(found) == {"link", "file-link", "pipe"}
    assert all(size < 5000 for size in found.values())


def test_a_store_that_is_a_link_or_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(walk(tmp_path / "link")) == list(walk(tmp_path / "absent")) == []
