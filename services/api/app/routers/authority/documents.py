"""How /authority describes its errors in /openapi.json."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """An RFC 9457 problem document; some codes add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    param: str | None
    request_id: str


_MEANINGS: dict[int | str, str] = {
    400: "The request is malformed.",
    401: "The key is missing, unknown or revoked.",
    403: "The key's roles do not allow this.",
    503: "It cannot be done now, or it could not be recorded.",
    "default": "Any other refusal.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
    for status, meaning in _MEANINGS.items()
}
