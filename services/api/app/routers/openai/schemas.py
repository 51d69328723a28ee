"""What may be asked on /v1, and how a request becomes the domain's."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.generation import ChatPrompt, InferenceRequest, Prompt, Sampling, Sequence
from app.domain.refusals import InvalidRequest
from app.routers.openai.messages import Message
from app.routers.openai.prompts import prompts_of
from app.routers.openai.unsupported import refuse_response_format, refuse_unsupported

MAX_SEQUENCES = 32
"""Prompts times `n` of one request."""

LEGACY_MAX_TOKENS = 16
"""OpenAI's default on /v1/completions; chat has none."""

_SEED_LIMIT = 2**63
_LONGEST_STOP = 1024
_LEAST_TOP_P = 1e-6  # 0 is allowed and means: only the likeliest token

Stop = Annotated[Any, Field(json_schema_extra={"type": ["string", "array", "null"]})]
Tokens = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class StreamOptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    include_usage: bool | None = None


class _Ask(BaseModel):
    """What both routes share. Null means the default; extra fields are kept to be judged."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    stop: Stop = None
    seed: Annotated[int, Field(ge=-_SEED_LIMIT, lt=_SEED_LIMIT)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
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
        return None

    def _check(self) -> None:
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "stream_options is only allowed when stream is true.", param="stream_options"
            )
        refuse_unsupported(self.model_extra, n=self.choices)

    def _request(
        self, request_id: str, prompts: Iterable[Prompt], max_tokens: int | None
    ) -> InferenceRequest:
        """`n` sequences for each prompt; choice `j` of a seeded request has the seed plus `j`."""
        sequences = tuple(
            Sequence(f"{request_id}-{i}-{j}", prompt, self._sampling(j, max_tokens))
            for i, prompt in enumerate(prompts)
            for j in range(self.choices)
        )
        if len(sequences) > MAX_SEQUENCES:
            raise InvalidRequest(
                f"{len(sequences)} sequences were asked for (prompts times n); "
                f"at most {MAX_SEQUENCES} fit one request.",
                param="n" if self.choices > 1 else "prompt",
            )
        return InferenceRequest(request_id=request_id, model=self.model, sequences=sequences)

    def _sampling(self, choice: int, max_tokens: int | None) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            top_p=None if self.top_p is None else max(self.top_p, _LEAST_TOP_P),
            seed=None if self.seed is None else _wrapped(self.seed + choice),
            max_tokens=max_tokens,
            stop=_stops(self.stop),
        )


class ChatRequest(_Ask):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Tokens | None = None
    response_format: dict[str, Any] | None = None

    def to_domain(self, request_id: str) -> InferenceRequest:
        self._check()
        refuse_response_format(self.response_format)
        messages = tuple(message.to_domain(i) for i, message in enumerate(self.messages))
        limit = _limit("max_tokens", self.max_tokens)
        if self.max_completion_tokens is not None:
            limit = _limit("max_completion_tokens", self.max_completion_tokens)
        return self._request(request_id, [ChatPrompt(messages)], limit)


class CompletionRequest(_Ask):
    """POST /v1/completions."""

    prompt: Any

    def to_domain(self, request_id: str) -> InferenceRequest:
        self._check()
        asked = LEGACY_MAX_TOKENS if self.max_tokens is None else self.max_tokens
        return self._request(request_id, prompts_of(self.prompt), _limit("max_tokens", asked))


def _stops(raw: Any) -> tuple[str, ...]:
    """Null, one string or up to four; none of them empty."""
    stops = [] if raw is None else [raw] if isinstance(raw, str) else raw
    if not isinstance(stops, list) or len(stops) > 4 or not all(map(_is_stop, stops)):
        raise InvalidRequest(
            f"stop must be a string of 1 to {_LONGEST_STOP} characters, or a list of up to four.",
            param="stop",
        )
    return tuple(stops)


def _is_stop(stop: Any) -> bool:
    return isinstance(stop, str) and 1 <= len(stop) <= _LONGEST_STOP


def _limit(name: str, value: int | None) -> int | None:
    """-1 means no limit (LM Studio's clients send it); 0 would ask for nothing."""
    if value == 0:
        raise InvalidRequest(f"{name} must be at least 1, or -1 for no limit.", param=name)
    return None if value == -1 else value


def _wrapped(seed: int) -> int:
    return (seed + _SEED_LIMIT) % (2 * _SEED_LIMIT) - _SEED_LIMIT
