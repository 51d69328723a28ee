"""How /v1/messages describes its errors in /openapi.json."""

from typing import Literal

from pydantic import BaseModel

from app.routers.openai.documents import errors_as


class AnthropicErrorDetail(BaseModel):
    type: str
    message: str


class AnthropicError(BaseModel):
    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str


ERRORS = errors_as(AnthropicError)
