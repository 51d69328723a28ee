"""A model whose right bytes cannot be had stays in quarantine, and nothing is changed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog.adopting import Adopting
from app.authority.catalog.blobs import BlobStore
from app.authority.catalog.caches import Program
from app.authority.catalog.known import BUNDLED, KnownModel, KnownModels
from app.authority.catalog.shipped import Shipped
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Decision, Question
from app.authority.policy.hard import HardPolicy, decided
from app.domain.actors import Actor, Role
from app.domain.models import Artifact, Manifest, Trust
from app.domain.refusals import (
    DigestMismatch,
    DiskFull,
    Forbidden,
    HubRefused,
    HubUnreachable,
    ModelBusy,
    NotLoadable,
    PlanStale,
    PolicyDenied,
    Refusal,
    RepairRefused,
)
from tests.fakes.caches import state_of, studio_cache
from tests.fakes.hub import COMMIT, REPO
from tests.models import tiny_model
from tests.unit.pulling.conftest import OPERATOR, Station
from tests.unit.pulling.repairing import Bench, Json, flip, made

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


@pytest.fixture
async def bench(station: Station, engine: Engine, tmp_path: Path) -> Bench:
    await station.pull()
    return made(station, engine, Shipped(tmp_path, KnownModels(())))


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


async def test_an_adopted_model_is_never_written(bench: Bench, tmp_path: Path) -> None:
    made, studio = tiny_model(tmp_path / "theirs", seed=9), tmp_path / "studio"
    folder = studio_cache(studio, made)
    station = bench.station
    adopting = Adopting(
        station.catalog, station.ledger, station.clock, {Program.LM_STUDIO: (studio,)}
    )
    adopted = adopting.adopt(
        grant(OPERATOR, Permission.MODEL_ADOPT),
        Program.LM_STUDIO,
        "lab/model",
        name=None,
        progress=lambda _: None,
        cancelled=lambda: False,
    )
    flip(folder / WEIGHTS)
    with pytest.raises(DigestMismatch):
        station.catalog.verify(adopted.id, full=True)
    before = state_of(studio)
    with pytest.raises(RepairRefused, match="another program's"):
        await bench.repairs.plan(OPERATOR, adopted.id)
    assert state_of(studio) == before


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


async def test_what_was_fetched_before_a_crash_is_not_fetched_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between a blob's replacement and the names that lead to it."""
    flip(bench.view() / WEIGHTS)
    plan, hub = await bench.repairs.plan(OPERATOR, REPO), bench.station.hub

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(BlobStore, "relink", killed)
        await bench.repair(plan=plan)
    assert bench.trust() is Trust.QUARANTINED
    assert bench.station.last("pull_outcome").outcome == "failed"
    bench.station.catalog.sweep()
    before = hub.content_bytes
    assert (await bench.repair())["fetched_bytes"] == 0
    assert hub.content_bytes == before
    assert bench.trust() is Trust.PINNED


async def test_one_repair_at_a_time(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    bench.station.hub.drip_s = 0.05  # it would take minutes: nothing ends by itself meanwhile
    first = bench.repairs.repair(OPERATOR, REPO, plan["plan"])
    begun = asyncio.ensure_future(anext(first))
    while not bench.station.pulling.under_way():
        await asyncio.sleep(0.01)
    with pytest.raises(ModelBusy):
        await bench.repair(plan=plan)
    begun.cancel()
    await asyncio.wait({begun})
    await first.aclose()  # type: ignore[attr-defined]
    assert bench.station.last("pull_outcome").outcome == "cancelled"
    assert bench.trust() is Trust.QUARANTINED
    bench.station.hub.drip_s = 0.0
    await bench.repair(plan=plan)
    assert bench.trust() is Trust.PINNED


async def test_a_disk_that_is_full_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    monkeypatch.setattr(BlobStore, "bytes_free", lambda _: 0)
    await unchanged(bench, WEIGHTS, DiskFull, plan)


async def test_policy_can_deny_a_repair(bench: Bench) -> None:
    flip(bench.view() / WEIGHTS)
    plan = await bench.repairs.plan(OPERATOR, REPO)
    before = bench.station.hub.content_bytes
    denying = HardPolicy()
    denied = decided((), Question("x", OPERATOR, ""), policy_hash=denying.policy_hash)
    bench.repairs._ports = replace(bench.station.ports, policy=Answering(denied))
    await unchanged(bench, WEIGHTS, PolicyDenied, plan)
    assert bench.station.hub.content_bytes == before


class Answering(HardPolicy):
    """Says the same to everything."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self._decision = decision

    def decide(self, question: Question) -> Decision:
        return self._decision
