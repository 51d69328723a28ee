"""How /api/v1 describes its errors in /openapi.json, and how its bodies are read."""

from pydantic import BaseModel, ConfigDict

from app.routers.openai.documents import errors_as


class LMStudioErrorDetail(BaseModel):
    """`code` says which refusal it was; `type` is one of LM Studio's few."""

    type: str
    message: str
    code: str
    param: str | None = None


class LMStudioError(BaseModel):
    error: LMStudioErrorDetail


class Strict(BaseModel):
    """A field that is not named is refused: each is judged in `fields`, none is dropped."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


ERRORS = errors_as(LMStudioError)
