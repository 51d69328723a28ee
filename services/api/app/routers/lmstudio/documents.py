"""How /api/v1 describes its errors in /openapi.json, and how its bodies are read."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class ErrorDetail(BaseModel):
    """`code` says which refusal it was; `type` is one of LM Studio's few."""

    type: str
    message: str
    code: str
    param: str | None = None


class ErrorBody(BaseModel):
    error: ErrorDetail


class Strict(BaseModel):
    """A field that is not named is refused: each is judged in `fields`, none is dropped."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


_MEANINGS: dict[int | str, str] = {
    400: "The request is malformed, or asks for what this server does not do.",
    401: "The key is missing, unknown or revoked.",
    403: "The key's roles or policy do not allow this, or it waits for an approval.",
    404: "No such model or download.",
    409: "The state of the model does not allow this.",
    429: "Too many requests wait; come back as Retry-After says.",
    503: "The model cannot be served now; the message says why.",
    "default": "Any other refusal.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": meaning} for status, meaning in _MEANINGS.items()
}
