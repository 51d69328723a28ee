"""POST /tokenize and /detokenize, as vLLM has them, at the root and under /v1."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from app.domain.generation import ChatPrompt, Prompt, TextPrompt
from app.domain.refusals import InvalidRequest
from app.domain.work import Detokenize, Text, Tokenize, Tokens
from app.routers.dependencies import ClientRoute, actor_of, name_subject, request_id_of, services_of
from app.routers.inference_ports import WorkDone
from app.routers.openai.documents import ERRORS, body_of
from app.routers.openai.formats import finite
from app.routers.openai.messages import Message, conversation
from app.routers.openai.parsing import parse
from app.routers.openai.tools import tool_use
from app.routers.openai.unsupported import refuse_unsupported
from app.routers.openai.work import Asked, WorkAnswer
from app.routers.openai.work_fields import DETOKENIZE, TOKENIZE

router = APIRouter(tags=["openai"], responses=ERRORS, route_class=ClientRoute)

_Token = Annotated[int, Field(ge=0, le=2**31 - 1)]


class TokenizeRequest(BaseModel):
    """POST /tokenize: `prompt` or `messages`."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    prompt: str | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    tools: Annotated[Any, Field(json_schema_extra={"type": ["array", "null"]})] = None
    chat_template_kwargs: dict[str, Any] | None = None

    def work(self) -> Tokenize:
        """Raises InvalidRequest."""
        refuse_unsupported(TOKENIZE, self.model_extra)
        return Tokenize(self._prompt(), special=self.add_special_tokens is not False)

    def _prompt(self) -> Prompt:
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequest("Send either prompt or messages.", param="prompt")
        if self.messages is None:
            self._refuse_of_chats()
            return TextPrompt(self.prompt or "")
        if self.add_special_tokens:
            raise InvalidRequest(
                "add_special_tokens goes with prompt only: the chat template writes them.",
                param="add_special_tokens",
            )
        options = finite(self.chat_template_kwargs or {}, "chat_template_kwargs")
        return ChatPrompt(conversation(self.messages), tool_use(self.tools, None), options)

    def _refuse_of_chats(self) -> None:
        for name in ("tools", "chat_template_kwargs"):
            if getattr(self, name):
                raise InvalidRequest(f"{name} goes with messages only.", param=name)


class DetokenizeRequest(BaseModel):
    """POST /detokenize."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    tokens: list[_Token]


@router.post("/tokenize", openapi_extra=body_of(TokenizeRequest), response_model=None)
@router.post("/v1/tokenize", openapi_extra=body_of(TokenizeRequest), response_model=None)
async def tokenize(request: Request) -> WorkAnswer:
    """The tokens of a text or of a conversation."""
    ask = parse(TokenizeRequest, await request.body())
    name_subject(request, ask.model)

    async def written(done: WorkDone) -> list[bytes]:
        (found,) = done.results
        assert isinstance(found, Tokens)
        body: dict[str, Any] = {
            "count": len(found.tokens),
            "max_model_len": await _context(request, done.model_id),
            "tokens": found.tokens,
            "token_strs": None,
        }
        if ask.return_token_strs:
            body["token_strs"] = [text.decode("utf-8", "replace") for text in found.texts]
        return [orjson.dumps(body)]

    asked = Asked(
        actor=actor_of(request),
        request_id=request_id_of(request),
        model=ask.model,
        works=[ask.work()],
        written=written,
    )
    return WorkAnswer(services_of(request), asked)


@router.post("/detokenize", openapi_extra=body_of(DetokenizeRequest), response_model=None)
@router.post("/v1/detokenize", openapi_extra=body_of(DetokenizeRequest), response_model=None)
async def detokenize(request: Request) -> WorkAnswer:
    """The text of tokens."""
    ask = parse(DetokenizeRequest, await request.body())
    name_subject(request, ask.model)
    refuse_unsupported(DETOKENIZE, ask.model_extra)

    async def written(done: WorkDone) -> list[bytes]:
        (found,) = done.results
        assert isinstance(found, Text)
        return [orjson.dumps({"prompt": found.text})]

    asked = Asked(
        actor=actor_of(request),
        request_id=request_id_of(request),
        model=ask.model,
        works=[Detokenize(tuple(ask.tokens))],
        written=written,
    )
    return WorkAnswer(services_of(request), asked)


async def _context(request: Request, model_id: str) -> int | None:
    """Of the loaded model; of one that was unloaded meanwhile, the longest that it takes."""
    for model in await services_of(request).reading.described_models(actor_of(request)):
        if model["id"] == model_id:
            return int(model["context"] or model["max_context"])
    return None
