"""What may be asked on /v1, and how a request becomes the domain's."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.domain.generation import (
    ChatPrompt,
    InferenceRequest,
    Prompt,
    Sampling,
    Sequence,
)
from app.domain.refusals import InvalidRequest
from app.routers.openai.fields import CHAT, COMPLETIONS
from app.routers.openai.formats import finite
from app.routers.openai.messages import Message, conversation
from app.routers.openai.prompts import prompts_of
from app.routers.openai.sampled import Sampled
from app.routers.openai.tools import constraint_beside, tool_use
from app.routers.openai.unsupported import refuse_unsupported

MAX_SEQUENCES = 32
"""Prompts times `n` of one request."""

LEGACY_MAX_TOKENS = 16
"""OpenAI's default on /v1/completions; chat has none."""

_MOST_LOGPROBS = 20
_OURS = ("messages", "tools", "documents", "add_generation_prompt", "continue_final_message")
"""Variables of a chat template that the request itself sets."""


def _or_none(raw: Any) -> Any:
    """Chat's `false` asks for nothing here too."""
    return None if raw is False else raw


Tokens = Annotated[int, Field(ge=-1, le=2**31 - 1)]
Alternatives = Annotated[int, Field(ge=0, le=_MOST_LOGPROBS)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class StreamOptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    include_usage: bool | None = None
    continuous_usage_stats: Literal[False] | None = None


class Reasoning(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    effort: Effort | None = None


class _Ask(Sampled):
    """What both routes share. Null means the default; extra fields are kept to be judged."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    max_tokens: Tokens | None = None

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def told_logprobs(self) -> int | None:
        """How many alternatives are told with each token; None: no log probabilities."""
        raise NotImplementedError

    def _check_stream(self) -> None:
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "stream_options is only allowed when stream is true.", param="stream_options"
            )

    def _request(
        self, request_id: str, prompts: Iterable[Prompt], sampling: Mapping[str, Any]
    ) -> InferenceRequest:
        """`n` sequences for each prompt."""
        samplings = [Sampling(seed=self.seed_of(j), **sampling) for j in range(self.choices)]
        sequences = tuple(
            Sequence(f"{request_id}-{i}-{j}", prompt, one)
            for i, prompt in enumerate(prompts)
            for j, one in enumerate(samplings)
        )
        if len(sequences) > MAX_SEQUENCES:
            raise InvalidRequest(
                f"{len(sequences)} sequences were asked for (prompts times n); "
                f"at most {MAX_SEQUENCES} fit one request.",
                param="n" if self.choices > 1 else "prompt",
            )
        return InferenceRequest(request_id=request_id, model=self.model, sequences=sequences)


class ChatRequest(_Ask):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Alternatives | None = None
    tools: Annotated[Any, Field(json_schema_extra={"type": ["array", "null"]})] = None
    tool_choice: Annotated[Any, Field(json_schema_extra={"type": ["string", "object", "null"]})] = (
        None
    )
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: Effort | None = None
    reasoning: Reasoning | None = None

    @property
    def told_logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise InvalidRequest("top_logprobs needs logprobs to be true.", param="top_logprobs")
        return None

    def to_domain(self, request_id: str) -> InferenceRequest:
        self._check_stream()
        refuse_unsupported(CHAT, self.model_extra)
        sampling = {
            **self.drawn(),
            "max_tokens": self._limit(),
            "logprobs": self.told_logprobs,
        }
        use = tool_use(self.tools, self.tool_choice, parallel=self.parallel_tool_calls)
        constraint = constraint_beside(use, sampling["constraint"], "tools")
        sampling |= {"constraint": constraint}
        prompt = ChatPrompt(conversation(self.messages), use, self._options())
        return self._request(request_id, [prompt], sampling)

    def _limit(self) -> int | None:
        limit = _limit("max_tokens", self.max_tokens)
        if self.max_completion_tokens is None:
            return limit
        return _limit("max_completion_tokens", self.max_completion_tokens)

    def _options(self) -> Mapping[str, Any]:
        """Variables of the chat template; those sent as such win over what we make of others."""
        given = self.chat_template_kwargs or {}
        for name in given:
            if name in _OURS:
                where = f"chat_template_kwargs.{name}"
                raise InvalidRequest(f"{where} is set by the request's own fields.", param=where)
        return {**self._effort(), **finite(given, "chat_template_kwargs")}

    def _effort(self) -> Mapping[str, Any]:
        other = self.reasoning.effort if self.reasoning else None
        if self.reasoning_effort and other and self.reasoning_effort != other:
            raise InvalidRequest(
                "reasoning.effort and reasoning_effort differ; send one of them.",
                param="reasoning.effort",
            )
        effort = self.reasoning_effort or other
        if effort is None:
            return {}
        asked: dict[str, Any] = {"reasoning_effort": effort}
        return {**asked, "enable_thinking": False} if effort == "none" else asked


class CompletionRequest(_Ask):
    """POST /v1/completions."""

    prompt: Any
    logprobs: Annotated[Alternatives | None, BeforeValidator(_or_none)] = None
    echo: bool | None = None
    best_of: int | None = None

    @property
    def told_logprobs(self) -> int | None:
        return self.logprobs

    def to_domain(self, request_id: str) -> InferenceRequest:
        self._check_stream()
        refuse_unsupported(COMPLETIONS, self.model_extra)
        if self.best_of not in (None, self.choices):
            raise InvalidRequest("best_of is supported only when equal to n.", param="best_of")
        asked = LEGACY_MAX_TOKENS if self.max_tokens is None else self.max_tokens
        limit = asked if asked == 0 and self.echo else _limit("max_tokens", asked)
        sampling = {
            **self.drawn(),
            "max_tokens": limit,
            "logprobs": self.logprobs,
            "echo": bool(self.echo),
        }
        return self._request(request_id, prompts_of(self.prompt), sampling)


def _limit(name: str, value: int | None) -> int | None:
    """-1 means no limit (LM Studio's clients send it); 0 would ask for nothing."""
    if value == 0:
        raise InvalidRequest(f"{name} must be at least 1, or -1 for no limit.", param=name)
    return None if value == -1 else value
