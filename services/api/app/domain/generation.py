"""What is asked of a model and what comes back, free of any protocol or runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ToolMode(StrEnum):
    """What a request wants of its tools: none, the model's choice, at least one, this one."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools of a request: ``{"type": "function", "function": {"name", "parameters", ...}}``.

    `name` is the tool that `NAMED` forces. Without `parallel` an answer calls at most one tool.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    mode: ToolMode = ToolMode.AUTO
    name: str | None = None
    parallel: bool = True

    @property
    def offered(self) -> bool:
        """Whether the answer may hold calls."""
        return bool(self.tools) and self.mode is not ToolMode.NONE

    @property
    def forced(self) -> bool:
        return self.offered and self.mode in (ToolMode.REQUIRED, ToolMode.NAMED)


NO_TOOLS = ToolUse()


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages for the model's chat template, each ``{"role": str, "content": str, ...}``.

    An assistant's message may hold ``tool_calls`` (arguments as an object), a tool's message
    ``tool_call_id`` and ``name``. `options` are further variables of the template, such as
    ``enable_thinking``.
    """

    messages: tuple[Mapping[str, Any], ...]
    use: ToolUse = NO_TOOLS
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextPrompt:
    text: str


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    tokens: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt


class Form(StrEnum):
    """What a constrained answer has to be."""

    JSON = "json"
    SCHEMA = "schema"
    REGEX = "regex"
    CHOICE = "choice"
    GRAMMAR = "grammar"

    @property
    def is_json(self) -> bool:
        """Text of another form could begin as a model's calls do."""
        return self in (Form.JSON, Form.SCHEMA)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What every token of an answer has to obey.

    `body`: nothing for JSON (any object), a JSON schema, a pattern, a list of texts, or a grammar
    in Lark's notation.
    """

    form: Form
    body: Any = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    `max_tokens` None means: up to the end of the context; 0 is for `echo` alone. `temperature`,
    `top_p`, `top_k` and `min_p` None mean: as the model's own generation_config.json says, or that
    it changes nothing. Penalties are OpenAI's (presence, frequency: -2 to 2, over the answer) and
    Hugging Face's (repetition: a factor, over prompt and answer; 1 changes nothing, and one near 0
    makes logits infinite, so routes take 0.01 to 2). `logit_bias` is pairs of a token and what is
    added to its logit. `logprobs` is how many alternatives are told with each token; None: no log
    probabilities at all. `echo` gives the prompt back first.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: int | None = None
    echo: bool = False
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence for a worker to generate: `n` choices are `n` sequences.

    Prompts are remembered between sequences of one `cache_scope` only.
    """

    id: str
    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)
    cache_scope: str = ""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One request on the endpoint: a model's name and the sequences to generate."""

    request_id: str
    model: str
    sequences: tuple[Sequence, ...]


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token, its bytes and its natural log probability; None for the first of a prompt.

    `top` are the likeliest tokens at this place, best first. Nothing is below `LEAST_LOGPROB`.
    """

    token: int
    text: bytes
    logprob: float | None
    top: tuple[tuple[int, bytes, float], ...] = ()


LEAST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot carry (OpenAI writes the same)."""


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt was rendered, tokenized, found to fit and queued: first event of a sequence."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Echoed:
    """The prompt as the model reads it, where `echo` was asked for; comes before the answer.

    `logprobs` is empty unless they were asked for.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that is final: whole characters, never part of a stop string."""

    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text of the model's thinking, which is no part of the answer."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The model calls a tool. `index` counts the calls of one answer from 0; `id` is unique."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The next fragment of a call's arguments; joined they are one JSON object."""

    index: int
    text: str
    tokens: int


Piece = Delta | Reasoning | CallBegun | CallArguments
"""What an answer consists of."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a sequence that ended by itself. Token counts are exact.

    `cached_tokens` of the prompt were remembered and not read again. `stop` is the stop string that
    ended the text, if one did.
    """

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    stop: str | None = None


AnswerEvent = Echoed | Piece | Finished
"""What a client is told of a sequence, once it has started."""

GenerationEvent = Started | AnswerEvent
