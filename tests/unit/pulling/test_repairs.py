"""What is damaged of a model is fetched again, nothing else; what is not to be had changes nothing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority.catalog.known import BUNDLED, KnownModel, KnownModels
from app.authority.catalog.repairing import Repairing
from app.authority.catalog.shipped import Shipped
from app.authority.permissions import Permission, grant
from app.authority.pulling import Repairs
from app.domain.actors import Actor, Role
from app.domain.models import Artifact, Manifest, Trust
from app.domain.refusals import (
    DigestMismatch,
    Forbidden,
    HubRefused,
    HubUnreachable,
    NotLoadable,
    PlanStale,
    Refusal,
    RepairRefused,
)
from tests.fakes.hub import COMMIT, REPO
from tests.unit.pulling.conftest import OPERATOR, Station

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
Json = dict[str, Any]


class Quiet:
    """A server in which nothing is loaded."""

    residency = SimpleNamespace(state=lambda _: "absent")

    def __init__(self) -> None:
        self.released: list[str] = []

    async def release(self, _: Actor, model_id: str) -> None:
        self.released.append(model_id)


@dataclass
class Bench:
    """A model that was pulled, and who repairs it."""

    station: Station
    repairs: Repairs
    serving: Quiet

    def view(self, model_id: str = REPO) -> Path:
        return self.station.store / "models" / self.station.catalog.get(model_id).digest

    def trust(self, model_id: str = REPO) -> Trust:
        return self.station.catalog.get(model_id).trust

    async def repair(self, model_id: str = REPO, plan: Json | None = None) -> Json:
        plan = plan or await self.repairs.plan(OPERATOR, model_id)
        steps = self.repairs.repair(OPERATOR, model_id, plan["plan"])
        done: Json = [step async for step in steps][-1]["done"]
        return done


@pytest.fixture
async def bench(station: Station, engine: Engine, tmp_path: Path) -> Bench:
    await station.pull()
    return made(station, engine, Shipped(tmp_path, KnownModels(())))


def made(station: Station, engine: Engine, shipped: Shipped) -> Bench:
    serving = Quiet()
    repairing = Repairing(station.catalog, engine)
    repairs = Repairs(station.ports, station.pulling, repairing, shipped, serving)  # type: ignore[arg-type]
    return Bench(station, repairs, serving)


def flip(path: Path) -> None:
    """Other bytes in the same file, as a disk that rots leaves them."""
    path.parent.chmod(0o700)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))


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


async def unchanged(bench: Bench, name: str, error: type[Refusal], plan: Json | None) -> None:
    """A repair that is refused: still in quarantine, the same bytes, nothing else in the store."""
    store = bench.station.store
    before = (bench.view() / name).read_bytes()
    blobs = sorted((store / "blobs").rglob("*"))
    with pytest.raises(error):
        await bench.repair(plan=plan)
    assert bench.trust() is Trust.QUARANTINED
    assert (bench.view() / name).read_bytes() == before
    assert sorted((store / "blobs").rglob("*")) == blobs
    assert list((store / "incoming").iterdir()) == []
    with pytest.raises(NotLoadable):
        bench.station.catalog.verify(REPO)


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
async def test_a_hub_that_sends_other_bytes_changes_nothing(bench: Bench, name: str) -> None:
    flip(bench.view() / name)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    content = bench.station.hub.files[name]
    bench.station.hub.served[name] = content[:-1] + bytes([content[-1] ^ 2])
    await unchanged(bench, name, DigestMismatch, plan)
    assert bench.station.last("pull_outcome").outcome == "refused"
    assert f"{name}.wrong" in bench.station.quarantine()


async def test_a_hub_that_lists_another_file_is_refused_before_a_byte(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    before = bench.station.hub.content_bytes
    bench.station.hub.listed = {WEIGHTS: {"lfs": {"sha256": "0" * 64, "size": 9, "pointerSize": 1}}}
    await unchanged(bench, WEIGHTS, HubRefused, None)
    bench.station.hub.listed = {}
    del bench.station.hub.files[WEIGHTS]
    await unchanged(bench, WEIGHTS, HubRefused, None)
    assert bench.station.hub.content_bytes == before


async def test_a_commit_that_the_hub_has_no_more_is_refused(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    bench.station.hub.commit = "d" * 40
    assert COMMIT not in bench.station.hub.commits
    await unchanged(bench, WEIGHTS, HubRefused, None)


async def test_a_hub_that_is_gone_half_way_is_gone_on_with(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan, hub = await bench.repairs.plan(OPERATOR, REPO), bench.station.hub
    hub.cut_after = [100, *[0] * 20]
    await unchanged(bench, WEIGHTS, HubUnreachable, plan)
    hub.cut_after = []
    before = hub.content_bytes
    await bench.repair()
    assert hub.content_bytes - before == len(hub.files[WEIGHTS]) - 100
    assert bench.trust() is Trust.PINNED


async def test_an_imported_model_is_refused_and_told_to_import_it_again(
    bench: Bench, tmp_path: Path
) -> None:
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    catalog = bench.station.catalog
    catalog.import_directory(may, tmp_path / "model", "me/mine", lambda _: None, lambda: False)
    with pytest.raises(RepairRefused, match="lmx models import DIR --name me/mine"):
        await bench.repairs.plan(OPERATOR, "me/mine")


async def test_a_bundled_model_is_repaired_from_the_files_that_came_with_it(
    bench: Bench, engine: Engine, tmp_path: Path
) -> None:
    manifest = bench.station.catalog.manifest(REPO)
    known = KnownModels((KnownModel(REPO, BUNDLED, "model", manifest),))
    bundled = made(bench.station, engine, Shipped(tmp_path, known))
    flip(bench.view() / WEIGHTS)
    heard = len(bench.station.hub.heard)
    plan = await bundled.repairs.plan(OPERATOR, REPO)
    assert (plan["hosts"], plan["sent"]) == ([], [])
    await bundled.repair(plan=plan)
    assert len(bench.station.hub.heard) == heard
    assert bench.station.catalog.verify(REPO, full=True)


@pytest.mark.parametrize("how", ["another byte", "cut", "gone"])
async def test_a_bundled_model_that_is_damaged_there_too_stays_in_quarantine(
    bench: Bench, engine: Engine, tmp_path: Path, how: str
) -> None:
    manifest = bench.station.catalog.manifest(REPO)
    known = KnownModels((KnownModel(REPO, BUNDLED, "model", manifest),))
    bundled = made(bench.station, engine, Shipped(tmp_path, known))
    flip(bench.view() / WEIGHTS)
    plan, source = await bundled.repairs.plan(OPERATOR, REPO), tmp_path / "model" / WEIGHTS
    if how == "another byte":
        flip(source)
    elif how == "cut":
        source.write_bytes(b"x")
    else:
        source.unlink()
    await unchanged(bundled, WEIGHTS, Refusal, plan)


async def test_another_key_and_another_model_cannot_use_a_plan(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    another = Actor("key:11111111", "other", frozenset({Role.OPERATOR}))
    for actor, name in ((another, REPO), (OPERATOR, "me/other")):
        with pytest.raises(PlanStale):
            _ = [step async for step in bench.repairs.repair(actor, name, plan["plan"])]
    client = Actor("key:22222222", "client", frozenset({Role.CLIENT}))
    with pytest.raises(Forbidden):
        await bench.repairs.plan(client, REPO)
    assert bench.trust() is Trust.QUARANTINED


async def test_a_model_that_became_another_since_is_left_alone(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    damaged = (bench.view() / WEIGHTS).read_bytes()
    other = Manifest((Artifact("config.json", 1, "0" * 64),))
    catalog = bench.station.catalog
    model = catalog.get(REPO)
    view = bench.view()
    catalog.entered(replace(model, digest=other.digest))
    with pytest.raises(PlanStale):
        await bench.repair(plan=plan)
    assert (view / WEIGHTS).read_bytes() == damaged
