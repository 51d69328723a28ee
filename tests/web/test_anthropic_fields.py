"""The tables of /v1/messages and count_tokens say what is so, and miss no field of the client's."""

from typing import Any

import httpx
import pytest
from anthropic.types import message_count_tokens_params as counting
from anthropic.types import message_create_params as creating

from app.domain.refusals import WorkerLost
from app.routers.anthropic.fields import ENDPOINTS, EVENTS
from app.routers.anthropic.schemas import CountRequest, MessagesRequest
from app.routers.fields import Field, Support
from tests.fakes.house import House
from tests.fakes.inference import End, FakeComputing, Say, Script

MESSAGES, COUNT = ENDPOINTS
SCHEMAS: dict[str, Any] = {MESSAGES: MessagesRequest, COUNT: CountRequest}
CLIENTS: dict[str, set[str]] = {
    MESSAGES: set(creating.MessageCreateParamsBase.__annotations__) | {"stream"},
    COUNT: set(counting.MessageCountTokensParams.__annotations__),
}
TURN = {"model": "lab/echo", "messages": [{"role": "user", "content": "one two three"}]}
BODIES: dict[str, dict[str, Any]] = {MESSAGES: {**TURN, "max_tokens": 64}, COUNT: TURN}


@pytest.fixture
def house() -> House:
    made = House()
    made.inference.scripts["a/b"] = Script()
    made.computing = FakeComputing(made.inference)
    return made


def rows(support: Support) -> list[Any]:
    return [
        pytest.param(path, field, id=f"{path} {field.name}")
        for path, table in ENDPOINTS.items()
        for field in table
        if field.support is support
    ]


async def outcome(client: httpx.AsyncClient, house: House, path: str, **fields: Any) -> Any:
    """What the use case was asked, and which kind of answer came of it."""
    response = await client.post(path, json=BODIES[path] | fields)
    assert response.status_code == 200, response.text
    kind = response.headers["content-type"]
    if path == COUNT:
        assert house.computing is not None
        return kind, house.computing.asked[-1][1:]
    asked = house.inference.asked[-1][1]
    return kind, asked.model, [(one.prompt, one.sampling) for one in asked.sequences]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_field_of_the_official_client_has_one_row(path: str) -> None:
    names = [field.name for field in ENDPOINTS[path]]
    assert len(names) == len(set(names))
    assert CLIENTS[path] - set(names) == set()
    assert all(field.note and field.example is not None for field in ENDPOINTS[path])


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_schema_reads_the_supported_fields_and_no_other(path: str) -> None:
    supported = {f.name for f in ENDPOINTS[path] if f.support is Support.SUPPORTED}
    assert supported == set(SCHEMAS[path].model_fields)


@pytest.mark.parametrize(("path", "field"), rows(Support.SUPPORTED))
async def test_a_supported_field_is_heard(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain = await outcome(client, house, path, **field.beside)
    asked = await outcome(client, house, path, **field.beside, **{field.name: field.example})
    assert asked != plain


@pytest.mark.parametrize(("path", "field"), rows(Support.IGNORED))
async def test_an_ignored_field_changes_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain = await outcome(client, house, path)
    assert await outcome(client, house, path, **{field.name: field.example}) == plain


@pytest.mark.parametrize(("path", "field"), rows(Support.REFUSED))
async def test_a_refused_field_is_a_400_by_its_name_unless_it_asks_for_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    response = await client.post(path, json=BODIES[path] | {field.name: field.example})
    assert response.status_code == 400
    assert field.name in response.json()["error"]["message"]
    plain = await outcome(client, house, path)
    for nothing in (None, *field.nothing):
        assert await outcome(client, house, path, **{field.name: nothing}) == plain


async def test_the_events_are_those_of_the_list(client: httpx.AsyncClient, house: House) -> None:
    told = set()
    for steps in ([Say("a"), End()], [Say("a"), WorkerLost("Gone.")]):
        house.inference.scripts["lab/echo"] = Script(steps=steps)
        answer = await client.post(MESSAGES, json=BODIES[MESSAGES] | {"stream": True})
        told |= {line for line in answer.text.split("\n") if line.startswith("event: ")}
    assert told == {f"event: {name}" for name in EVENTS}
