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


_SCHEMA = Problem.model_json_schema()
_MEANINGS: dict[int | str, str] = {
    400: "The request is malformed.",
    401: "The key is missing, unknown or revoked.",
    403: "The key's roles or policy do not allow this, or it waits for an approval.",
    404: "There is nothing of that name.",
    409: "The state of what was named does not allow this.",
    413: "The body is too large.",
    421: "The Host header is not this server's.",
    422: "It could never be done as asked.",
    428: "A typed confirmation or a fresh proof is needed.",
    429: "Too many asks wait; come back as Retry-After says.",
    500: "Evidence is not what was recorded, or the server has a defect.",
    502: "The hub cannot be reached, or its answer cannot be used.",
    503: "It cannot be done now, or it could not be recorded.",
    507: "The disk is full.",
    "default": "Any other refusal.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {"application/problem+json": {"schema": _SCHEMA}},
    }
    for status, meaning in _MEANINGS.items()
}
