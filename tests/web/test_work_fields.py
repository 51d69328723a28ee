"""The tables of embeddings, rerank, tokenize and detokenize say what is so."""

from typing import Any

import httpx
import pytest

from app.routers.fields import Field, Support
from app.routers.openai.embeddings import EmbeddingsRequest
from app.routers.openai.rerank import RerankRequest
from app.routers.openai.tokens import DetokenizeRequest, TokenizeRequest
from app.routers.openai.work_fields import ENDPOINTS
from tests.fakes.house import House, assert_openai_error
from tests.fakes.inference import FakeComputing, Script
from tests.fakes.working import asked, body_of, name_of

SCHEMAS: dict[str, Any] = {
    "embeddings": EmbeddingsRequest,
    "rerank": RerankRequest,
    "tokenize": TokenizeRequest,
    "detokenize": DetokenizeRequest,
}


@pytest.fixture
def house() -> House:
    made = House()
    made.computing = FakeComputing(made.inference)
    return made


def rows(support: Support) -> list[Any]:
    return [
        pytest.param(path, field, id=f"{path} {field.name}")
        for path, table in ENDPOINTS.items()
        for field in table
        if field.support is support
    ]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_schema_reads_the_supported_fields_and_no_other(path: str) -> None:
    supported = {f.name for f in ENDPOINTS[path] if f.support is Support.SUPPORTED}
    assert supported == set(SCHEMAS[name_of(path)].model_fields)


@pytest.mark.parametrize(("path", "field"), rows(Support.SUPPORTED))
async def test_a_supported_field_is_heard(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["a/b"] = Script()
    other = {"model": "a/b", "prompt": "a", "query": "a"}.get(field.name, field.example)
    body = body_of(path)
    if field.name in {"messages", "tools", "chat_template_kwargs"}:  # of a conversation
        del body["prompt"]
        body["messages"] = [{"role": "user", "content": "one two"}]
    heard = await outcome(client, house, path, body | {field.name: other})
    assert heard != await outcome(client, house, path, body if field.name != "messages" else None)


async def outcome(
    client: httpx.AsyncClient, house: House, path: str, body: dict[str, Any] | None
) -> Any:
    """Which model was asked for what, and what was said apart from ids."""
    works, answer = await asked(client, house, path, body or body_of(path))
    answer.pop("id", None)
    assert house.computing is not None
    return house.computing.asked[-1][1], works, answer


@pytest.mark.parametrize(("path", "field"), rows(Support.IGNORED))
async def test_an_ignored_field_changes_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    plain, _ = await asked(client, house, path, body_of(path))
    same, _ = await asked(client, house, path, body_of(path, **{field.name: field.example}))
    assert same == plain


@pytest.mark.parametrize(("path", "field"), rows(Support.REFUSED))
async def test_a_refused_field_is_a_400_by_its_name_unless_it_asks_for_nothing(
    path: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    response = await client.post(path, json=body_of(path, **{field.name: field.example}))
    assert assert_openai_error(response, 400)["param"] == field.name
    for nothing in (None, *field.nothing):
        await asked(client, house, path, body_of(path, **{field.name: nothing}))
