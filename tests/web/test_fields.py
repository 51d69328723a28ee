"""The tables of fields say what is so, and nothing that the official client can send is missing."""

import typing
from dataclasses import replace
from typing import Any

import httpx
import pytest
from openai.types import completion_create_params as sdk_completions
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionStreamOptionsParam
from openai.types.chat import completion_create_params as sdk_chat

from app.domain.generation import InferenceRequest
from app.routers.fields import Field, Support
from app.routers.openai.fields import CHAT, COMPLETIONS, ENDPOINTS, MESSAGE, STREAM_OPTIONS
from app.routers.openai.messages import Message
from app.routers.openai.schemas import ChatRequest, CompletionRequest
from tests.fakes.house import House, assert_openai_error, chat

CHAT_PATH, LEGACY_PATH = ENDPOINTS
SCHEMAS: dict[str, type[ChatRequest] | type[CompletionRequest]] = {
    CHAT_PATH: ChatRequest,
    LEGACY_PATH: CompletionRequest,
}
CLIENTS: dict[str, list[Any]] = {
    CHAT_PATH: [
        sdk_chat.CompletionCreateParamsNonStreaming,
        sdk_chat.CompletionCreateParamsStreaming,
    ],
    LEGACY_PATH: [
        sdk_completions.CompletionCreateParamsNonStreaming,
        sdk_completions.CompletionCreateParamsStreaming,
    ],
}


def rows(support: Support) -> list[Any]:
    return [
        pytest.param(path, field, id=f"{path} {field.name}")
        for path, table in ENDPOINTS.items()
        for field in table
        if field.support is support
    ]


def body_of(path: str) -> dict[str, Any]:
    return chat() if path == CHAT_PATH else {"model": "lab/echo", "prompt": "one two"}


async def domain_of(
    client: httpx.AsyncClient, house: House, path: str, extra: dict[str, Any]
) -> InferenceRequest:
    """What the use case was asked, without the ids that differ each time."""
    response = await client.post(path, json=body_of(path) | extra)
    assert response.status_code == 200, response.text
    request = house.inference.asked[-1][1]
    sequences = tuple(replace(sequence, id="") for sequence in request.sequences)
    return replace(request, request_id="", sequences=sequences)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_field_of_the_official_client_has_one_row(path: str) -> None:
    names = [field.name for field in ENDPOINTS[path]]
    assert len(names) == len(set(names))
    known = set().union(*(typing.get_type_hints(params) for params in CLIENTS[path]))
    assert known - set(names) == set()


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_schema_reads_the_supported_fields_and_no_other(path: str) -> None:
    supported = {f.name for f in ENDPOINTS[path] if f.support is Support.SUPPORTED}
    assert supported == set(SCHEMAS[path].model_fields)


@pytest.mark.parametrize(("path", "field"), rows(Support.SUPPORTED))
async def test_a_supported_field_is_answered_and_heard(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain = await domain_of(client, house, path, dict(field.beside))
    asked = await domain_of(client, house, path, {**field.beside, field.name: field.example})
    said_elsewhere = {"model", "stream", "stream_options", "best_of"}
    assert (asked != plain) is (field.name not in said_elsewhere)


@pytest.mark.parametrize(("path", "field"), rows(Support.IGNORED))
async def test_an_ignored_field_changes_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain = await domain_of(client, house, path, {})
    assert await domain_of(client, house, path, {field.name: field.example}) == plain


@pytest.mark.parametrize(("path", "field"), rows(Support.REFUSED))
async def test_a_refused_field_is_a_400_by_its_name_unless_it_asks_for_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    asked = body_of(path) | {field.name: field.example}
    error = assert_openai_error(await client.post(path, json=asked), 400)
    assert error["param"] == field.name
    assert field.name in error["message"]
    assert house.inference.asked == []
    plain = await domain_of(client, house, path, {})
    for nothing in (None, *field.nothing):
        assert await domain_of(client, house, path, {field.name: nothing}) == plain


def test_every_field_of_the_official_clients_messages_has_one_row() -> None:
    names = [field.name for field in MESSAGE]
    kinds = typing.get_args(ChatCompletionMessageParam)
    assert len(kinds) == 6
    assert set().union(*(typing.get_type_hints(kind) for kind in kinds)) - set(names) == set()
    assert set(names) == set(Message.model_fields)
    assert set(typing.get_type_hints(ChatCompletionStreamOptionsParam)) <= {
        field.name for field in STREAM_OPTIONS
    }


@pytest.mark.parametrize("field", MESSAGE, ids=lambda field: field.name)
async def test_a_field_of_a_message_is_handed_on_or_refused(
    field: Field, client: httpx.AsyncClient, house: House
) -> None:
    message = {"role": "assistant", "content": "a", field.name: field.example}
    response = await client.post(CHAT_PATH, json=chat() | {"messages": [message]})
    if field.support is Support.REFUSED:
        assert assert_openai_error(response, 400)["param"] == f"messages[0].{field.name}"
    else:
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("field", STREAM_OPTIONS, ids=lambda field: field.name)
async def test_a_stream_option_is_heard_ignored_or_refused(
    field: Field, client: httpx.AsyncClient
) -> None:
    asked = chat(stream=True, stream_options={field.name: field.example})
    response = await client.post(CHAT_PATH, json=asked)
    if field.support is Support.REFUSED:
        assert assert_openai_error(response, 400)["param"] == f"stream_options.{field.name}"
    else:
        assert ('"usage"' in response.text) is (field.support is Support.SUPPORTED)


def test_a_table_says_something_of_every_field() -> None:
    for field in (*CHAT, *COMPLETIONS, *MESSAGE, *STREAM_OPTIONS):
        assert field.note, field.name
        assert field.example is not None, field.name
