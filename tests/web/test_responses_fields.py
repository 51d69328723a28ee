"""The table of /v1/responses says what is so, and misses no field of the official client's."""

from typing import Any

import httpx
import pytest
from openai.types.responses import response_create_params as params

from app.domain.generation import FinishReason
from app.domain.refusals import WorkerLost
from app.routers.fields import Field, Support
from app.routers.openai.responses.fields import EVENTS, RESPONSES
from app.routers.openai.responses.schemas import ResponseRequest
from tests.fakes.authority import CLIENT_KEY
from tests.fakes.house import House
from tests.fakes.inference import End, Say, Script
from tests.web.test_responses import LOOKS, MODEL, PATH, TOOL, asked, events_of

BY_SUPPORT = {support: [row for row in RESPONSES if row.support is support] for support in Support}
DEFAULT = {"truncation"}
"""Whose one value is the default."""


def rows(support: Support) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("field", BY_SUPPORT[support], ids=lambda field: field.name)


@pytest.fixture
def house() -> House:
    made = House()
    made.inference.scripts["a/b"] = Script()
    made.responses.keys = {"client"}
    return made


async def outcome(client: httpx.AsyncClient, house: House, **fields: Any) -> Any:
    """What the use case was asked, and the answer without what is new each time."""
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    response = await client.post(PATH, json=asked(**fields), headers=headers)
    assert response.status_code == 200, response.text
    request = house.inference.asked[-1][1]
    sequences = [(one.prompt, one.sampling) for one in request.sequences]
    if response.headers["content-type"] != "application/json":
        return sequences, "streamed"
    body = {k: v for k, v in response.json().items() if k not in {"id", "created_at", "output"}}
    return sequences, body


def test_every_field_of_the_official_client_has_one_row() -> None:
    names = [field.name for field in RESPONSES]
    assert len(names) == len(set(names))
    known = set(params.ResponseCreateParamsBase.__annotations__) | {"stream"}
    assert known - set(names) == set()
    assert all(field.note and field.example is not None for field in RESPONSES)
    supported = {field.name for field in BY_SUPPORT[Support.SUPPORTED]}
    assert supported == set(ResponseRequest.model_fields)


@rows(Support.SUPPORTED)
async def test_a_supported_field_is_heard(
    field: Field, client: httpx.AsyncClient, house: House
) -> None:
    if field.name == "previous_response_id":
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        kept = await client.post(PATH, json=asked(), headers=headers)
        field = Field(field.name, field.support, example=kept.json()["id"])
    plain = await outcome(client, house, **field.beside)
    heard = await outcome(client, house, **{**field.beside, field.name: field.example})
    assert (heard != plain) is (field.name not in DEFAULT)


@rows(Support.IGNORED)
async def test_an_ignored_field_changes_nothing(
    field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain = await outcome(client, house)
    assert await outcome(client, house, **{field.name: field.example}) == plain


@rows(Support.REFUSED)
async def test_a_refused_field_is_a_400_by_its_name_unless_it_asks_for_nothing(
    field: Field, client: httpx.AsyncClient, house: House
) -> None:
    response = await client.post(PATH, json=asked(**{field.name: field.example}))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field.name
    plain = await outcome(client, house)
    for nothing in (None, *field.nothing):
        assert await outcome(client, house, **{field.name: nothing}) == plain


async def test_the_events_are_those_of_the_list(client: httpx.AsyncClient, house: House) -> None:
    told = set()
    for steps in (
        LOOKS,
        [Say("a"), End(FinishReason.LENGTH)],
        [Say("a"), WorkerLost("Gone. Ask again.")],
    ):
        house.inference.scripts[MODEL] = Script(steps=steps)
        answer = await client.post(PATH, json=asked(stream=True, tools=[TOOL]))
        told |= {event["type"] for event in events_of(answer.text)}
    assert told == set(EVENTS)
