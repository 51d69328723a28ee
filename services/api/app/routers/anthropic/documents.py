"""How /v1/messages describes its errors in /openapi.json."""

from typing import Any, Literal

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    type: str
    message: str


class ErrorBody(BaseModel):
    type: Literal["error"]
    error: ErrorDetail
    request_id: str


_MEANINGS: dict[int | str, str] = {
    400: "The request is malformed, or asks for what this server does not do.",
    401: "The key is missing, unknown or revoked.",
    404: "No such model.",
    429: "Too many requests wait; come back as Retry-After says.",
    503: "The model cannot be served now; the message says why.",
    "default": "Any other refusal.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": meaning} for status, meaning in _MEANINGS.items()
}
