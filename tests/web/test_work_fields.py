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
from tests.fakes.inference import FakeComputing
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
