"""Every byte of every model is read again, whatever the receipts say, and all that is damaged is
named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.authority.catalog import Catalog
from app.authority.execution import Execution
from app.domain.actors import Actor, Role
from app.domain.models import Trust
from app.domain.refusals import DigestMismatch, Forbidden, LoadCancelled
from tests.fakes.lifecycle import OPERATOR, House, build_house
from tests.unit.catalog.conftest import HF, Adopt

Json = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with capture_logs():
        house = build_house(tmp_path)
        yield house
        house.ledger.close()


@pytest.fixture
def execution(home: House) -> Execution:
    return Execution(home.catalog, home.serving)


def edit(home: House, model_id: str, name: str = "model.safetensors") -> None:
    view = home.catalog.store.view(home.catalog.get(model_id).digest)
    view.chmod(0o700)
    path = view / name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


async def lines(execution: Execution, actor: Actor = OPERATOR) -> list[Json]:
    return [line async for line in execution.verify_all(actor)]


async def test_every_byte_of_every_model_is_read_although_receipts_hold(
    home: House, execution: Execution
) -> None:
    for model in home.models:
        home.catalog.verify(model.id)
    before = len(home.events("model_verified"))
    steps = await lines(execution)
    done = steps[-1]["done"]
    assert [model["id"] for model in done["models"]] == [model.id for model in home.models]
    assert done["damaged"] == []
    events = home.events("model_verified")[before:]
    assert [event.data["hashed_bytes"] for event in events] == [m.size_bytes for m in home.models]
    finished = {
        (step["hashing"]["model"], step["hashing"]["path"])
        for step in steps
        if "hashing" in step and step["hashing"]["done"] == step["hashing"]["total"]
    }
    assert len(finished) == sum(len(home.catalog.manifest(m.id).artifacts) for m in home.models)


async def test_all_damaged_models_are_named_and_the_others_are_verified(
    home: House, execution: Execution
) -> None:
    first, middle, last = (model.id for model in home.models)
    edit(home, first)
    edit(home, last)
    steps = await lines(execution)
    assert steps[-1]["done"]["damaged"] == [first, last]
    verified = [step["verified"] for step in steps if "verified" in step]
    assert [(v["id"], v["trust"]) for v in verified] == [
        (first, "quarantined"),
        (middle, "pinned"),
        (last, "quarantined"),
    ]
    assert "model.safetensors" in verified[0]["why"]
    assert home.catalog.get(first).trust is Trust.QUARANTINED


async def test_every_damaged_file_of_a_model_is_named(home: House) -> None:
    model_id = home.models[0].id
    edit(home, model_id)
    edit(home, model_id, "tokenizer.json")
    with pytest.raises(DigestMismatch, match="and 1 more") as refused:
        home.catalog.verify(model_id, full=True)
    assert refused.value.details["paths"] == ["model.safetensors", "tokenizer.json"]


async def test_whoever_leaves_ends_it(home: House, execution: Execution) -> None:
    verifying = execution.verify_all(OPERATOR)
    await anext(verifying)
    await verifying.aclose()  # type: ignore[attr-defined]
    assert len(home.events("model_verified")) <= 1


def test_a_verification_that_nobody_wants_any_more_records_nothing(home: House) -> None:
    watch = home.catalog.watch(lambda _: None, lambda: True)
    with pytest.raises(LoadCancelled):
        home.catalog.verify(home.models[0].id, full=True, watch=watch)
    assert home.events("model_verified") == []
    assert home.catalog.get(home.models[0].id).trust is Trust.PINNED


async def test_a_client_may_not(execution: Execution) -> None:
    client = Actor("key:1", "client", frozenset({Role.CLIENT}))
    with pytest.raises(Forbidden):
        await lines(execution, client)


async def test_an_adopted_model_is_read_where_it_lies(
    home: House, catalog: Catalog, hub: Path, adopt: Adopt
) -> None:
    adopted = adopt(HF, hub)
    execution = Execution(catalog, home.serving)
    assert (await lines(execution))[-1]["done"]["damaged"] == []
    blob = next((hub / "snapshots").glob("*/model.safetensors")).resolve()
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    assert (await lines(execution))[-1]["done"]["damaged"] == [adopted.id]
