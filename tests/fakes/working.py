"""Requests for work other than generating, and what the use case was asked by them."""

from typing import Any

import httpx

from app.domain.work import Work
from tests.fakes.house import House

BODIES: dict[str, dict[str, Any]] = {
    "embeddings": {"input": "one two"},
    "rerank": {"query": "one two", "documents": ["one", "three"]},
    "tokenize": {"prompt": "one two"},
    "detokenize": {"tokens": [1]},
}


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def body_of(path: str, **fields: Any) -> dict[str, Any]:
    return {"model": "lab/echo", **BODIES[name_of(path)], **fields}


async def asked(
    client: httpx.AsyncClient, house: House, path: str, body: dict[str, Any]
) -> tuple[list[Work], Any]:
    """What the use case was asked, and the answer."""
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert house.computing is not None
    return house.computing.asked[-1][2], response.json()
