"""What nobody needs is purged as it was looked at, and nothing else."""

import os
from pathlib import Path

import pytest

from app.authority.acts.cache_purge import CachePurge
from app.authority.approvals.acts import NotFeasible
from app.authority.approvals.plans import Drawn
from app.domain.refusals import InvalidRequest
from tests.fakes.removal import OPERATOR, Attic
from tests.unit.catalog.removal.swaps import KINDS, outside_at


@pytest.fixture
def act(attic: Attic) -> CachePurge:
    return CachePurge(attic.leftovers)


def left(attic: Attic, path: str, size: int = 5000) -> Path:
    file = attic.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


def draw(act: CachePurge, what: str) -> Drawn:
    return act.draw({"what": what}, OPERATOR)


def paths(drawn: Drawn) -> list[str]:
    return [str(file["path"]) for file in drawn.files]


async def test_leftovers_of_downloads_are_listed_with_their_sizes_and_go(
    attic: Attic, act: CachePurge
) -> None:
    file = left(attic, "store/downloads/ab/weights.part")
    left(attic, "store/incoming/cd/view/x", 7)
    blocks = sum(p.stat().st_blocks * 512 for p in (file, attic.store / "incoming/cd/view/x"))
    drawn = draw(act, "downloads")
    assert {file["path"]: file["size"] for file in drawn.files} == {
        "store/downloads/ab/weights.part": 5000,
        "store/incoming/cd/view/x": 7,
    }
    assert (drawn.bytes_freed, drawn.phrase) == (blocks, "yes, purge downloads")
    effect = await act.perform(attic.warrant("cache_purge", drawn))
    assert (effect.outcome, effect.freed_bytes, effect.files) == ("done", blocks, 2)
    assert list((attic.store / "downloads").iterdir()) == []
    assert list((attic.store / "incoming").iterdir()) == []
    again = await act.perform(attic.warrant("cache_purge", drawn))
    assert (again.failed, again.freed_bytes) == ((), 0)


async def test_orphans_are_what_no_model_needs(attic: Attic, act: CachePurge) -> None:
    model = attic.take("a/b")
    blob = left(attic, "store/blobs/sha256/00/" + "0" * 64)
    left(attic, "store/models/" + "1" * 64 + "/x")
    (attic.store / "models" / ("1" * 64)).chmod(0o500)
    drawn = draw(act, "orphans")
    assert paths(drawn) == [
        "store/models/" + "1" * 64 + "/x",
        "store/blobs/sha256/00/" + "0" * 64,
    ]
    effect = await act.perform(attic.warrant("cache_purge", drawn))
    assert effect.outcome == "done"
    assert not blob.exists()
    assert [p.name for p in (attic.store / "models").iterdir()] == [model.digest]
    attic.catalog.verify("a/b", full=True)


async def test_a_trashed_model_loses_nothing_with_the_orphans(
    attic: Attic, act: CachePurge
) -> None:
    attic.take("a/b")
    attic.take("a/c", seed=2)
    trash_id = attic.delete("a/b")
    left(attic, "store/blobs/sha256/00/" + "0" * 64)
    await act.perform(attic.warrant("cache_purge", draw(act, "all")))
    attic.restore(trash_id)
    attic.catalog.verify("a/b", full=True)


async def test_an_orphan_that_a_model_needs_by_now_stays(attic: Attic, act: CachePurge) -> None:
    attic.take("a/b")
    trash_id = attic.delete("a/b")
    entry = attic.home / "trash" / trash_id / "blobs"
    for blob in list(entry.iterdir()):
        shelf = attic.store / "blobs" / "sha256" / blob.name[:2]
        os.link(blob, shelf / blob.name)
    drawn = draw(act, "orphans")
    assert len(drawn.files) == 3
    assert drawn.bytes_freed == 0
    assert drawn.bytes_kept > 0
    attic.take("a/c")
    effect = await act.perform(attic.warrant("cache_purge", drawn))
    assert (effect.outcome, effect.files, len(effect.failed)) == ("failed", 0, 3)
    assert all("needed by a model now" in failure for failure in effect.failed)
    attic.catalog.verify("a/c", full=True)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_swapped_after_the_approval_is_named_and_survives(
    attic: Attic, act: CachePurge, tmp_path: Path, kind: str
) -> None:
    outside = outside_at(tmp_path / "outside")
    left(attic, "cache/prompts/one")
    left(attic, "cache/prompts/two")
    drawn = draw(act, "caches")
    warrant = attic.warrant("cache_purge", drawn)
    KINDS[kind](attic.home / "cache/prompts/one", outside)
    effect = await act.perform(warrant)
    assert outside.is_unharmed()
    assert [failure.split(":")[0] for failure in effect.failed] == ["cache/prompts/one"]
    assert (effect.outcome, effect.files) == ("partial", 1)


@pytest.mark.parametrize("folder", ["cache", "cache/prompts"])
async def test_a_folder_that_became_a_link_is_not_entered(
    attic: Attic, act: CachePurge, tmp_path: Path, folder: str
) -> None:
    left(attic, "cache/prompts/one")
    drawn = draw(act, "caches")
    (attic.home / "cache").rename(tmp_path / "aside")
    (attic.home / folder).parent.mkdir(exist_ok=True)
    (attic.home / folder).symlink_to(tmp_path / "aside" / folder.removeprefix("cache"))
    effect = await act.perform(attic.warrant("cache_purge", drawn))
    assert len(effect.failed) == 1
    assert (tmp_path / "aside" / "prompts" / "one").exists()


@pytest.mark.parametrize(
    "path", ["operator.key", "store/../operator.key", "cache/../operator.key", "/etc/hostname"]
)
async def test_a_plan_cannot_name_what_is_no_leftover(
    attic: Attic, act: CachePurge, path: str
) -> None:
    key = left(attic, "operator.key")
    left(attic, "cache/x")
    row = {"path": path, "size": 5000, "sha256": None, "fate": "remove", "mtime_us": 0}
    found = draw(act, "caches")
    forged = Drawn(
        subject="caches",
        verb="purge",
        phrase="yes, purge caches",
        irreversible=True,
        files=({**row, "inode": str(key.stat().st_ino)},),
    )
    assert found.files
    effect = await act.perform(attic.warrant("cache_purge", forged))
    assert effect.outcome == "failed"
    assert key.exists()


def test_what_is_no_file_is_named_in_the_plan(attic: Attic, act: CachePurge) -> None:
    left(attic, "cache/x")
    os.mkfifo(attic.home / "cache" / "pipe")
    (attic.home / "cache" / "link").symlink_to("/etc")
    assert paths(draw(act, "caches")) == ["cache/x"]
    assert draw(act, "caches").effects == {"untouched": ["cache/link", "cache/pipe"]}


def test_a_file_that_grows_makes_another_plan(attic: Attic, act: CachePurge) -> None:
    file = left(attic, "store/downloads/ab/weights.part")
    before = draw(act, "downloads")
    assert draw(act, "downloads") == before
    with file.open("ab") as open_file:
        open_file.write(b"more")
    assert draw(act, "downloads") != before


async def test_what_a_pull_works_in_is_left_alone(attic: Attic) -> None:
    at_work = left(attic, "store/downloads/ab/weights.part")
    left(attic, "store/downloads/abc/weights.part")
    before = draw(CachePurge(attic.leftovers), "downloads")
    leftovers = attic.leftovers.__class__(
        attic.home.resolve(), attic.catalog, attic.engine, lambda: ["store/downloads/ab"]
    )
    act = CachePurge(leftovers)
    assert paths(draw(act, "downloads")) == ["store/downloads/abc/weights.part"]
    effect = await act.perform(attic.warrant("cache_purge", before))
    assert effect.failed == ("store/downloads/ab/weights.part: is where a pull is at work now",)
    assert at_work.exists()


def test_nothing_to_purge_is_not_feasible(act: CachePurge) -> None:
    with pytest.raises(NotFeasible, match="nothing to purge"):
        draw(act, "all")


@pytest.mark.parametrize("params", [{}, {"what": "everything"}, {"what": "all", "more": 1}])
def test_what_cannot_be_purged_is_refused(act: CachePurge, params: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        act.draw(params, OPERATOR)


async def test_a_purge_takes_its_own_warrant(attic: Attic, act: CachePurge) -> None:
    attic.take("a/b")
    with pytest.raises(TypeError):
        await act.perform(attic.deletion("a/b"))
