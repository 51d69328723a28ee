"""POST /api/v1/chat: one turn with a model, as LM Studio's own clients ask for it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from app.domain.generation import ChatPrompt, InferenceRequest, Sampling, Sequence
from app.domain.refusals import InvalidRequest, NotOffered
from app.routers.answering import Answer, Asked
from app.routers.dependencies import (
    ClientRoute,
    UseCases,
    actor_of,
    name_subject,
    request_id_of,
)
from app.routers.lmstudio.chat_writer import ChatWriter
from app.routers.lmstudio.described import Model, named
from app.routers.lmstudio.documents import ERRORS, Strict
from app.routers.lmstudio.fields import CHAT, refuse_unsupported
from app.routers.lmstudio.measured import measured, measuring
from app.routers.openai.documents import STREAMED, body_of
from app.routers.openai.parsing import parse

router = APIRouter(prefix="/api/v1", tags=["lm studio"], responses=ERRORS, route_class=ClientRoute)

MAX_ITEMS = 1024

_LEAST_TOP_P = 1e-6  # 0 is allowed and means: only the likeliest token

Effort = Literal["off", "low", "medium", "high", "on"]
Input = Annotated[Any, Field(json_schema_extra={"type": ["string", "array"]})]


class ChatAsk(Strict):
    """Null means the default."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: Input
    system_prompt: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.01, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    reasoning: Effort | None = None
    context_length: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    ttl: Any = None
    priority: Any = None
    store: Any = None
    previous_response_id: Any = None
    integrations: Any = None
    draft_model: Any = None

    def to_domain(self, request_id: str) -> InferenceRequest:
        """Raises InvalidRequest and NotOffered."""
        refuse_unsupported(CHAT, self.model_dump())
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        turn = {"role": "user", "content": _text_of(self.input)}
        prompt = ChatPrompt((*system, turn), options=_options(self.reasoning))
        sampling = Sampling(
            temperature=self.temperature,
            top_p=None if self.top_p is None else max(self.top_p, _LEAST_TOP_P),
            top_k=self.top_k or None,
            min_p=self.min_p or None,
            repetition_penalty=1.0 if self.repeat_penalty is None else self.repeat_penalty,
            max_tokens=self.max_output_tokens,
        )
        sequence = Sequence(f"{request_id}-0-0", prompt, sampling)
        return InferenceRequest(request_id=request_id, model=self.model, sequences=(sequence,))


@router.post("/chat", openapi_extra=body_of(ChatAsk), responses=STREAMED, response_model=None)
async def chat(request: Request, services: UseCases) -> Answer:
    """Answer one turn. Streams named events when `stream` is true; nothing is stored."""
    ask = parse(ChatAsk, await request.body())
    name_subject(request, ask.model)
    asked = Asked(
        actor=actor_of(request),
        request=ask.to_domain(request_id_of(request)),
        writer=lambda generation: ChatWriter(measured(generation)),
        stream=bool(ask.stream),
    )
    if ask.reasoning is not None or ask.context_length is not None:
        models = await services.reading.described_models(asked.actor)
        _check(ask, named(models, ask.model))
    return Answer(measuring(services), asked)


def _check(ask: ChatAsk, model: Model | None) -> None:
    """Raise InvalidRequest for what this model cannot be asked; who names none is told later."""
    if model is None:
        return
    allowed = model["reasoning_options"] or ["off"]
    if ask.reasoning is not None and ask.reasoning not in allowed:
        raise InvalidRequest(
            f"{model['id']} takes reasoning {' or '.join(allowed)}, not {ask.reasoning}.",
            param="reasoning",
        )
    if ask.context_length is not None and ask.context_length != model["context"]:
        loaded = f"loaded with {model['context']}" if model["context"] else "not loaded"
        raise InvalidRequest(
            f"{model['id']} is {loaded}, and a chat loads nothing anew: leave context_length out, "
            "or have an operator load it with that context first.",
            param="context_length",
        )


def _options(reasoning: Effort | None) -> Mapping[str, Any]:
    """Templates know a switch, or an effort; what they don't know they pass over."""
    match reasoning:
        case None:
            return {}
        case "on" | "off":
            return {"enable_thinking": reasoning == "on"}
        case _:
            return {"enable_thinking": True, "reasoning_effort": reasoning}


def _text_of(asked: Any) -> str:
    """The user's turn: a string, or a list of text items that are one turn together."""
    if isinstance(asked, str):
        return asked
    if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_ITEMS:
        raise InvalidRequest(
            f"input must be a string, or a list of 1 to {MAX_ITEMS} items.", param="input"
        )
    return "\n".join(_text_of_item(item, f"input[{i}]") for i, item in enumerate(asked))


def _text_of_item(item: Any, where: str) -> str:
    if not isinstance(item, dict):
        raise InvalidRequest(f"{where} must be an object with type and content.", param=where)
    if item.get("type") == "image":
        raise NotOffered(f"{where}: this server reads no images, only text.", param=where)
    if item.get("type") not in ("message", "text"):
        raise InvalidRequest(f"{where}.type must be 'message' or 'text'.", param=f"{where}.type")
    if not isinstance(text := item.get("content"), str):
        raise InvalidRequest(f"{where}.content must be a string.", param=f"{where}.content")
    return text
