"""Only what is damaged of a model is fetched again; what cannot be had changes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog.known import KnownModels
from app.authority.catalog.shipped import Shipped
from app.authority.permissions import Permission, grant
from app.domain.models import Trust
from app.domain.refusals import (
    DigestMismatch,
)
from tests.fakes.hub import REPO
from tests.unit.pulling.conftest import OPERATOR, Station
from tests.unit.pulling.repairing import Bench, flip, made

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


@pytest.fixture
async def bench(station: Station, engine: Engine, tmp_path: Path) -> Bench:
    await station.pull()
    return made(station, engine, Shipped(tmp_path, KnownModels(())))


def remove(path: Path) -> None:
    path.parent.chmod(0o700)
    path.unlink()


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replaced(path: Path) -> None:
        remove(path)
        make(path)

    return replaced


NOT_FETCHED: dict[str, Callable[[Path], None]] = {
    "gone": remove,
    "a link": replace_by(lambda path: path.symlink_to("/etc/hostname")),
    "another file": replace_by(lambda path: path.write_text("{}")),
    "a folder": replace_by(lambda path: path.mkdir()),
    "a stranger beside it": replace_by(lambda path: path.with_name("evil.py").write_text("x")),
}
"""What happened to a name of the view only: the blob is right, so nobody is asked for it."""


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
async def test_only_the_damaged_file_is_fetched(bench: Bench, name: str) -> None:
    hub = bench.station.hub
    flip(bench.view() / name)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    assert (plan["damaged"], plan["removed"]) == ([name], [])
    assert [file["path"] for file in plan["files"]] == [name]
    assert plan["size_bytes"] == len(hub.files[name])
    assert plan["hosts"] == list(bench.station.client.hosts)
    assert any("no token" in sentence for sentence in plan["sent"])
    assert bench.trust() is Trust.QUARANTINED
    before, heard = hub.content_bytes, len(hub.heard)
    done = await bench.repair(plan=plan)
    assert hub.content_bytes - before == done["fetched_bytes"] == len(hub.files[name])
    others = set(hub.files) - {name}
    assert not [h.path for h in hub.heard[heard:] if any(h.path.endswith(o) for o in others)]
    assert bench.trust() is Trust.PINNED
    assert bench.serving.released == [REPO]
    assert bench.station.quarantine() == []


async def test_a_repair_leaves_an_intent_and_an_outcome_with_its_run(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    await bench.repair(plan=plan)
    intent, outcome = bench.station.last("pull_intent"), bench.station.last("pull_outcome")
    assert intent.data["files"] == 1
    assert (outcome.outcome, outcome.subject) == ("done", REPO)
    assert len(outcome.data["run"]) == 64
    assert bench.station.last("model_verified").outcome == "done"


@pytest.mark.parametrize("how", NOT_FETCHED)
async def test_what_the_store_still_has_is_not_fetched(bench: Bench, how: str) -> None:
    view = bench.view()
    NOT_FETCHED[how](view / TOKENIZER)
    heard = len(bench.station.hub.heard)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    assert plan["damaged"] == [TOKENIZER]
    assert plan["removed"] == (["'evil.py'"] if "stranger" in how else [])
    assert (plan["files"], plan["sent"]) == ([], [])
    assert (await bench.repair(plan=plan))["fetched_bytes"] == 0
    assert len(bench.station.hub.heard) == heard
    assert bench.trust() is Trust.PINNED
    assert not (view / "evil.py").exists()
    assert Path("/etc/hostname").exists()


async def test_a_whole_view_that_is_gone_comes_back(bench: Bench) -> None:
    view = bench.view()
    view.chmod(0o700)
    shutil.rmtree(view)
    assert (await bench.repair())["fetched_bytes"] == 0
    assert bench.trust() is Trust.PINNED


async def test_a_view_that_is_a_link_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    view, elsewhere = bench.view(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.txt").write_text("mine")
    view.chmod(0o700)
    view.rename(tmp_path / "moved")
    view.symlink_to(elsewhere)
    await bench.repair()
    assert [path.name for path in elsewhere.iterdir()] == ["keep.txt"]
    assert not view.is_symlink()
    assert bench.trust() is Trust.PINNED


async def test_a_model_that_is_right_is_not_repaired_and_nobody_is_asked(bench: Bench) -> None:
    heard = len(bench.station.hub.heard)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    assert (plan["damaged"], plan["files"]) == ([], [])
    await bench.repair(plan=plan)
    assert len(bench.station.hub.heard) == heard
    assert bench.trust() is Trust.PINNED


async def test_a_file_that_two_models_share_is_repaired_for_both(
    bench: Bench, tmp_path: Path
) -> None:
    station = bench.station
    other = tmp_path / "other"
    other.mkdir()
    for name, content in station.hub.files.items():
        (other / name).write_bytes(content)
    (other / TOKENIZER).write_bytes(station.hub.files[TOKENIZER] + b"\n")
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    station.catalog.import_directory(may, other, "me/other", lambda _: None, lambda: False)
    mine, theirs = bench.view() / WEIGHTS, bench.view("me/other") / WEIGHTS
    assert mine.stat().st_ino == theirs.stat().st_ino
    with theirs.open("rb") as held:
        flip(mine)
        damaged = held.read()
        with pytest.raises(DigestMismatch):
            station.catalog.verify("me/other", full=True)
        done = await bench.repair()
        held.seek(0)
        assert held.read() == damaged  # the old file was not written, it was replaced
    assert done["others"] == [{"id": "me/other", "trust": "pinned", "why": None}]
    assert mine.stat().st_ino == theirs.stat().st_ino
    assert theirs.read_bytes() == station.hub.files[WEIGHTS]
    assert bench.trust("me/other") is Trust.PINNED
    assert station.catalog.verify("me/other", full=True)


async def test_what_an_operator_confirmed_is_verified_again_after_a_repair(bench: Bench) -> None:
    bench.station.publishing.confirm(grant(OPERATOR, Permission.MODEL_CHANGE), REPO)
    assert bench.trust() is Trust.VERIFIED
    flip(bench.view() / WEIGHTS)
    await bench.repair()
    assert bench.trust() is Trust.VERIFIED
