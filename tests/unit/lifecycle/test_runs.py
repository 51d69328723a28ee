"""Every load and unload leaves its run: with the arithmetic, the decision and what was measured."""

import hashlib
from typing import Any

import orjson
import pytest

from app.authority.ledger import RefusalRecorder
from app.authority.ledger.tiles import StoredTiles
from app.authority.permissions import Permission
from app.domain.engine import LoadFailure
from app.domain.refusals import DigestMismatch, LoadFailed
from tests.fakes.lifecycle import OPERATOR, House, operator, use


def run_of(house: House, kind: str, place: int = -1) -> dict[str, Any]:
    digest = str(house.events(kind)[place].data["run"])
    content = StoredTiles(house.ledger.readers).blob(digest)
    assert content is not None
    assert hashlib.sha256(content).hexdigest() == digest
    found: dict[str, Any] = orjson.loads(content)
    return found


async def test_a_load_leaves_its_run(house: House) -> None:
    model = house.models[0]
    await house.serving.load(operator(Permission.MODEL_LOAD, model), model, None)
    kept = run_of(house, "load_outcome")
    (intent,) = house.events("load_intent")
    assert (kept["act"], kept["subject"], kept["outcome"]) == ("model.load", model.id, "loaded")
    assert kept["feasibility"] == intent.data["feasibility"]
    assert kept["policy"]["outcome"] == "allow"
    assert kept["inputs"]["context"] == intent.data["context"]
    assert kept["inputs"]["digest"] == model.digest
    assert kept["effect"]["resident_bytes"] > 0
    assert kept["refusal"] is None
    assert kept["actor"]["id"] == OPERATOR.id
    assert kept["started_us"] <= kept["ended_us"]


async def test_an_unload_leaves_its_run(house: House) -> None:
    model = house.models[0]
    await use(house, model)
    measured = await house.serving.unload(operator(Permission.MODEL_UNLOAD, model), model.id)
    kept = run_of(house, "unload_outcome")
    assert (kept["act"], kept["outcome"]) == ("model.unload", "unloaded")
    assert kept["effect"] == measured
    assert kept["inputs"]["reason"] == "asked"
    assert kept["policy"]["outcome"] == "allow"


async def test_a_load_that_failed_is_one_run_also_where_it_is_answered_as_a_refusal(
    house: House,
) -> None:
    model = house.models[0]
    secret = "lmx_0123abcd_" + "s" * 43

    async def broken(*_: object) -> None:
        raise LoadFailure(f"the worker said {secret}")

    house.host.start = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(LoadFailed) as refused:
        await use(house, model)
    kept = run_of(house, "load_outcome")
    assert (kept["outcome"], kept["refusal"]["code"]) == ("failed", "load_failed")
    assert secret not in str(kept)
    receipt = RefusalRecorder(house.ledger, house.clock).record(OPERATOR, refused.value, model.id)
    assert receipt is not None
    named = house.ledger.event(receipt.seq).data["run"]
    assert named == house.events("load_outcome")[-1].data["run"] == refused.value.run


async def test_an_import_and_a_verification_leave_their_runs(house: House) -> None:
    model = house.models[0]
    imported = run_of(house, "model_imported", 0)
    assert (imported["act"], imported["outcome"]) == ("model.import", "done")
    assert imported["effect"]["size_bytes"] == model.size_bytes
    assert "source" in imported["inputs"]
    house.catalog.verify(model.id, full=True, actor=OPERATOR)
    verified = run_of(house, "model_verified")
    assert (verified["act"], verified["outcome"]) == ("model.verify", "done")
    assert verified["inputs"] == {"digest": model.digest, "full": True}


async def test_files_that_changed_are_one_run_that_their_refusal_names(house: House) -> None:
    model = house.models[0]
    view = house.catalog.verify(model.id)
    file = min(view.iterdir())
    file.chmod(0o600)
    file.write_bytes(b"other bytes")
    with pytest.raises(DigestMismatch) as refused:
        house.catalog.verify(model.id, full=True, actor=OPERATOR)
    kept = run_of(house, "model_verified")
    assert (kept["outcome"], kept["effect"]["path"]) == ("digest_mismatch", file.name)
    assert refused.value.run == house.events("model_verified")[-1].data["run"]
