"""What the deletion of a model says it will do, and how it meets those who use the model."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.authority.acts.model_delete import ModelDelete
from app.authority.acts.trash_purge import TrashPurge
from app.authority.approvals.acts import NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.trash import Trash
from app.authority.ledger.writing import writing
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.authority.policy.routing import Routing
from app.authority.warrants import Warrant
from app.domain.models import CatalogModel
from app.domain.refusals import InvalidRequest, ModelBusy, ModelNotFound, TrashNotFound
from tests.fakes.lifecycle import OPERATOR, House, build_house, jit, operator, until, use
from tests.fakes.removal import GRACE_S, Attic, after_purge


@dataclass
class Keeper:
    """A lifecycle, a trash, and the acts on both."""

    house: House
    attic: Attic
    delete: ModelDelete
    purge: TrashPurge

    @property
    def model(self) -> CatalogModel:
        return self.house.models[0]

    def draw(self, **params: Any) -> Drawn:
        return self.delete.draw({"model": self.model.id, **params}, OPERATOR)

    def warrant(self, **params: Any) -> Warrant:
        return self.attic.warrant("model_delete", self.draw(**params))

    def change(self, statement: str) -> None:
        with writing(self.attic.engine) as connection:
            connection.execute(text(statement), {"id": self.model.id})


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    house = build_house(tmp_path)
    (tmp_path / "trash").mkdir()
    engine = house.catalog._engine
    trash = Trash(
        Bin(
            catalog=house.catalog,
            ledger=house.ledger,
            engine=engine,
            clock=house.clock,
            store=tmp_path / "store",
            directory=tmp_path / "trash",
            grace_s=lambda: GRACE_S,
        )
    )
    attic = Attic(tmp_path, house.clock, engine, house.ledger, house.catalog, trash, None)  # type: ignore[arg-type]
    routing = Routing({"default": (house.models[0].id,), "other": (house.models[1].id,)})
    delete = ModelDelete(house.catalog, trash, house.serving, routing)
    yield Keeper(house, attic, delete, TrashPurge(trash))
    for started in house.host.started:
        started.release()
    await house.serving.close()


async def hold(keeper: Keeper, held: asyncio.Event) -> None:
    model = keeper.model
    async with keeper.house.serving.lease(jit(model), model, sequences=1):
        await held.wait()


async def test_a_plan_says_what_goes_what_stays_and_who_depends_on_it(keeper: Keeper) -> None:
    model = keeper.model
    drawn = keeper.draw()
    shared = {file["path"]: file for file in drawn.files if file["fate"] == "keep"}
    trashed = {file["path"]: file for file in drawn.files if file["fate"] == "trash"}
    assert set(trashed) == {"model.safetensors"}
    assert "config.json" in shared
    assert drawn.bytes_freed == trashed["model.safetensors"]["size"]
    assert drawn.bytes_freed + drawn.bytes_kept == model.size_bytes
    assert drawn.dependents == {
        "aliases": ["default"],
        "residency": "absent",
        "in_flight": 0,
        "pinned": False,
        "other_models": [other.id for other in keeper.house.models[1:]],
        "trash": [],
    }
    assert drawn.phrase == f"yes, delete {model.id}"
    assert drawn.targets == ({"kind": "model", "id": model.id, "digest": model.digest},)
    assert (drawn.grace_s, drawn.generation, drawn.again) == (GRACE_S, 1, None)


async def test_a_plan_names_the_aliases_that_fall_back_to_the_model(keeper: Keeper) -> None:
    other = keeper.house.models[1].id
    keeper.change(
        f"INSERT INTO model_alias VALUES ('nick', '{other}', '[\"' || :id || '\"]'),"
        f" ('else', '{other}', '[]')"
    )
    assert keeper.draw().dependents["aliases"] == ["default", "nick"]


async def test_drawing_twice_gives_the_same_and_changes_nothing(keeper: Keeper) -> None:
    before = keeper.attic.files()
    assert keeper.draw() == keeper.draw()
    assert keeper.attic.files() == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO model_alias (alias, model_id) VALUES ('nick', :id)",
        "UPDATE model SET generation = generation + 1 WHERE id = :id",
        (
            "INSERT INTO artifact (model_id, path, size, sha256)"
            " VALUES (:id, 'more', 1, printf('%064d', 1))"
        ),
        "DELETE FROM artifact WHERE model_id <> :id",
    ],
)
async def test_whatever_changes_meanwhile_makes_another_plan(
    keeper: Keeper, statement: str
) -> None:
    before = keeper.draw()
    keeper.change(statement)
    assert keeper.draw() != before


async def test_a_model_that_was_loaded_meanwhile_makes_another_plan(keeper: Keeper) -> None:
    before = keeper.draw()
    await use(keeper.house, keeper.model)
    assert keeper.draw().dependents["residency"] == "resident"
    assert keeper.draw() != before


async def test_what_the_hub_has_can_be_had_again(keeper: Keeper) -> None:
    keeper.change("UPDATE model SET repo = 'acme/tiny', revision = 'c0ffee' WHERE id = :id")
    assert keeper.draw().again == "acme/tiny@c0ffee"


async def test_a_pinned_model_is_unpinned_first(keeper: Keeper) -> None:
    keeper.change("UPDATE model SET pinned = 1 WHERE id = :id")
    with pytest.raises(NotFeasible, match="unpin"):
        keeper.draw()


async def test_an_idle_model_is_unloaded_and_then_deleted(keeper: Keeper) -> None:
    await use(keeper.house, keeper.model)
    effect = await keeper.delete.perform(keeper.warrant())
    assert (effect.outcome, effect.freed_bytes) == ("done", 0)
    assert effect.data["trashed_bytes"] == keeper.model.size_bytes
    assert keeper.house.serving.residency.state(keeper.model.id) is State.ABSENT
    assert keeper.house.alive == []
    assert keeper.house.events("unload_outcome")[0].data["reason"] == "deleted"
    with pytest.raises(ModelNotFound):
        keeper.house.catalog.get(keeper.model.id)


async def test_a_model_that_answers_is_not_deleted_unless_it_is_drained(keeper: Keeper) -> None:
    done = asyncio.Event()
    warrant, drained = keeper.warrant(), keeper.warrant(drain=True)
    answering = asyncio.create_task(hold(keeper, done))
    await until(lambda: keeper.house.serving.use_of(keeper.model.id).in_flight == 1)
    with pytest.raises(NotFeasible, match="1 answers are running"):
        keeper.draw()
    refused = await keeper.delete.perform(warrant)
    assert (refused.outcome, "running" in refused.reason) == ("failed", True)
    assert keeper.model.id in keeper.house.catalog.ids()
    assert keeper.draw(drain=True).dependents["in_flight"] == "drained"
    # Ready is not enough: who still waits for the load when the delete begins is turned away.
    await until(lambda: keeper.house.serving.residency.of(keeper.model.id).running == 1)
    deleting = asyncio.create_task(keeper.delete.perform(drained))
    await asyncio.sleep(0.02)
    assert not deleting.done()
    done.set()
    await answering
    assert (await deleting).outcome == "done"


async def test_a_drained_plan_does_not_depend_on_how_many_answers_run(keeper: Keeper) -> None:
    done = asyncio.Event()
    await use(keeper.house, keeper.model)
    before = keeper.draw(drain=True)
    answering = asyncio.create_task(hold(keeper, done))
    await until(lambda: keeper.house.serving.use_of(keeper.model.id).in_flight == 1)
    assert keeper.draw(drain=True) == before
    done.set()
    await answering


async def test_a_model_that_is_loading_is_deleted_after_its_load(keeper: Keeper) -> None:
    warrant = keeper.warrant(drain=True)
    keeper.house.host.loading.clear()
    asking = asyncio.create_task(use(keeper.house, keeper.model))
    await until(lambda: keeper.house.serving.use_of(keeper.model.id).state is State.LOADING)
    deleting = asyncio.create_task(keeper.delete.perform(warrant))
    await asyncio.sleep(0.02)
    assert not deleting.done()
    keeper.house.host.loading.set()
    with pytest.raises(ModelBusy, match="being deleted"):
        await asking
    assert (await deleting).outcome == "done"
    assert keeper.house.alive == []


async def test_nobody_gets_a_model_that_is_being_deleted(keeper: Keeper) -> None:
    model, serving = keeper.model, keeper.house.serving
    await use(keeper.house, model)
    with serving.leaving.withheld(model.id):
        with pytest.raises(ModelBusy, match="being deleted"):
            await use(keeper.house, model)
        with pytest.raises(ModelBusy, match="being deleted"):
            await serving.load(operator(Permission.MODEL_LOAD, model), model, None)
        await use(keeper.house, keeper.house.models[1])
    await use(keeper.house, model)


async def test_a_request_that_comes_too_late_finds_no_model(keeper: Keeper) -> None:
    await keeper.delete.perform(keeper.warrant())
    with pytest.raises(ModelNotFound):
        await use(keeper.house, keeper.model)
    assert keeper.house.alive == []


async def test_performing_twice_deletes_once(keeper: Keeper) -> None:
    warrant = keeper.warrant()
    first = await keeper.delete.perform(warrant)
    assert await keeper.delete.perform(warrant) == first
    assert len(keeper.attic.trash.entries()) == 1


async def test_whoever_stops_waiting_does_not_cut_a_deletion_short(keeper: Keeper) -> None:
    warrant = keeper.warrant()
    with keeper.house.catalog.placing:
        deleting = asyncio.create_task(keeper.delete.perform(warrant))
        await asyncio.sleep(0.02)
        deleting.cancel()
        await asyncio.sleep(0.02)
        assert not deleting.done()
        with pytest.raises(ModelBusy):
            await use(keeper.house, keeper.model)
    with pytest.raises(asyncio.CancelledError):
        await deleting
    assert [entry.state for entry in keeper.attic.trash.entries()] == ["trashed"]


async def test_a_refusal_of_the_disk_is_an_effect(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    warrant = keeper.warrant()
    (keeper.attic.home / "trash").rmdir()
    (keeper.attic.home / "trash").write_text("not a directory")
    effect = await keeper.delete.perform(warrant)
    assert effect.outcome == "failed"
    assert effect.reason
    assert keeper.model.id in keeper.house.catalog.ids()


async def test_the_same_approval_purges_after_the_grace(keeper: Keeper) -> None:
    warrant = keeper.warrant()
    weights = next(f for f in keeper.draw().files if f["fate"] == "trash")
    await keeper.delete.perform(warrant)
    keeper.house.clock.advance(GRACE_S)
    effect = await keeper.delete.perform(after_purge(warrant))
    assert effect.outcome == "done"
    assert effect.freed_bytes >= weights["size"]
    assert keeper.attic.trash.entries()[0].state == "purged"


@pytest.mark.parametrize("params", [{}, {"model": 3}, {"model": "a/b", "drain": "yes"}])
async def test_what_is_malformed_is_refused(keeper: Keeper, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        keeper.delete.draw(params, OPERATOR)


async def test_a_model_that_does_not_exist_is_not_found(keeper: Keeper) -> None:
    with pytest.raises(ModelNotFound):
        keeper.delete.draw({"model": "no/such"}, OPERATOR)


async def test_purging_the_trash_early_is_an_act_of_its_own(keeper: Keeper) -> None:
    effect = await keeper.delete.perform(keeper.warrant())
    trash_id = effect.data["trash"]
    drawn = keeper.purge.draw({"trash": trash_id}, OPERATOR)
    assert drawn.phrase == f"yes, purge trash {trash_id}"
    assert drawn.bytes_freed + drawn.bytes_kept == keeper.model.size_bytes
    assert {file["fate"] for file in drawn.files} == {"remove"}
    everything = keeper.purge.draw({"trash": "all"}, OPERATOR)
    assert everything.targets == drawn.targets
    purged = await keeper.purge.perform(keeper.attic.warrant("trash_purge", drawn))
    assert purged.outcome == "done"
    assert purged.freed_bytes >= drawn.bytes_freed > 0
    for which in (trash_id, "all"):
        with pytest.raises(NotFeasible):
            keeper.purge.draw({"trash": which}, OPERATOR)
    with pytest.raises(TrashNotFound):
        keeper.purge.draw({"trash": "nosuchid"}, OPERATOR)
    with pytest.raises(InvalidRequest):
        keeper.purge.draw({}, OPERATOR)
