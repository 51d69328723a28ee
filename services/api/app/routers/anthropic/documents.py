"""How /v1/messages describes its errors in /openapi.json."""

from typing import Literal

from pydantic import BaseModel

from app.routers.openai.documents import errors_as


class ErrorDetail(BaseModel):
    type: str
    message: str


class ErrorBody(BaseModel):
    type: Literal["error"]
    error: ErrorDetail
    request_id: str


ERRORS = errors_as(ErrorBody)
