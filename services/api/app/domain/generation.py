"""What is asked of a model and what comes back, free of any protocol or runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages for the model's chat template, each ``{"role": str, "content": str}``."""

    messages: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TextPrompt:
    text: str


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    tokens: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    `max_tokens` None means: up to the end of the context. `temperature` and `top_p` None mean: as
    the model's own generation_config.json says, or 1 where it says nothing.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence for a worker to generate: `n` choices are `n` sequences."""

    id: str
    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One request on the endpoint: a model's name and the sequences to generate."""

    request_id: str
    model: str
    sequences: tuple[Sequence, ...]


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt was rendered, tokenized, found to fit and queued: first event of a sequence."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that is final: whole characters, never part of a stop string."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a sequence that ended by itself. Token counts are exact."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


GenerationEvent = Started | Delta | Finished
