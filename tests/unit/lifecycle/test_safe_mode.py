"""In safe mode a model is loaded because an operator says so, and for no other reason."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.domain.actors import SYSTEM
from app.domain.refusals import LoadFailed
from tests.fakes.lifecycle import House, build_house, operator, use

WHY = "The last 3 starts ended without being stopped."


@pytest.fixture
async def careful(tmp_path: Path) -> AsyncIterator[House]:
    house = build_house(tmp_path)
    equipment = replace(house.serving._equipment, safe_mode=WHY)
    house = replace(house, serving=Serving(equipment))
    yield house
    for engine in house.host.started:
        engine.release()
    await house.serving.close()


async def test_a_request_loads_nothing_and_is_told_why_and_what_to_do(careful: House) -> None:
    model = careful.models[0]
    with pytest.raises(LoadFailed) as refused:
        await use(careful, model)
    assert WHY in refused.value.message
    assert f"lmx models load {model.id}" in refused.value.message
    assert careful.alive == []
    assert careful.events("load_intent") == []


async def test_the_server_itself_loads_nothing(careful: House) -> None:
    model = careful.models[0]
    may = grant(SYSTEM, Permission.MODEL_LOAD, subject=model.id)
    with pytest.raises(LoadFailed, match="safe mode"):
        await careful.serving.load(may, model, None)
    assert careful.alive == []


async def test_an_operator_loads_and_then_everybody_is_answered(careful: House) -> None:
    model = careful.models[0]
    await careful.serving.load(operator(Permission.MODEL_LOAD, model), model, None)
    await use(careful, model)
    assert len(careful.alive) == 1
