"""GET /v1/models: OpenAI's members, and what a client chooses a model by."""

from typing import Any

import httpx

from app.domain.models import CatalogModel
from tests.fakes.house import House, assert_openai_error


def entry_of(model: CatalogModel) -> dict[str, Any]:
    return {
        "id": "lab/echo",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "lab",
        "state": "not-loaded",
        "context": model.max_context,
        "max_context": model.max_context,
        "size_bytes": model.size_bytes,
        "digest": model.digest,
        "format": "mlx",
        "task": "generate",
        "quantization": None,
    }


async def test_models_are_listed_and_found_by_ids_with_slashes(
    client: httpx.AsyncClient, house: House
) -> None:
    entry = entry_of(house.reading.catalog[0])
    house.reading.told["lab/echo"] = {"quantization": ""}
    assert (await client.get("/v1/models")).json() == {"object": "list", "data": [entry]}
    for path in ("/v1/models/lab/echo", "/v1/models/lab%2Fecho"):
        assert (await client.get(path)).json() == entry
    error = assert_openai_error(await client.get("/v1/models/nope"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_a_loaded_model_tells_the_context_that_it_has_now(
    client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = {"loaded": True, "context": 512, "quantization": "4-bit"}
    told = (await client.get("/v1/models/lab/echo")).json()
    assert (told["state"], told["context"], told["quantization"]) == ("loaded", 512, "4-bit")
    assert told["max_context"] == house.reading.catalog[0].max_context


async def test_an_alias_stands_first_and_says_what_its_model_is(
    client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = {"aliases": ["quick", "small"]}
    listed = (await client.get("/v1/models")).json()["data"]
    assert [entry["id"] for entry in listed] == ["quick", "small", "lab/echo"]
    assert len({entry["digest"] for entry in listed}) == 1
    quick = (await client.get("/v1/models/quick")).json()
    assert quick == listed[0]
    assert quick["owned_by"] == "lmx"
