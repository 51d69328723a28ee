"""What the supervisor and a worker say to each other, message by message."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.generation import (
    CallArguments,
    CallBegun,
    Delta,
    FinishReason,
    Prompt,
    Reasoning,
    Sampling,
    TokenLogprob,
)
from app.domain.shapes import Format
from app.domain.work import Scores, Text, Tokens, Vectors, Work

VERSION = 2


@dataclass(frozen=True, slots=True)
class Hello:
    """Worker: I am here and speak this version."""

    version: int
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """Supervisor: load this directory. The first frame it sends."""

    version: int
    model_id: str
    directory: str
    context: int
    slots: int
    memory_limit_bytes: int
    prompt_cache_bytes: int
    format: Format


@dataclass(frozen=True, slots=True)
class Generate:
    """Supervisor: generate one sequence. `handle` names it on this connection."""

    handle: int
    prompt: Prompt
    sampling: Sampling
    cache_scope: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """Supervisor: do this in one go. Handles are those of `Generate` too."""

    handle: int
    work: Work


@dataclass(frozen=True, slots=True)
class Cancel:
    handle: int


@dataclass(frozen=True, slots=True)
class Ping:
    serial: int


@dataclass(frozen=True, slots=True)
class Loaded:
    load_ms: int
    vocab_size: int
    base_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class LoadFailed:
    reason: str
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class SequenceStarted:
    handle: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class SequenceEchoed:
    handle: int
    text: str
    logprobs: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Final text of one sequence, and how many tokens it took since the last one."""

    handle: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Deltas:
    """The text of every sequence that one decode step brought forward."""

    items: tuple[TextDelta, ...]


@dataclass(frozen=True, slots=True)
class SequencePieces:
    """What one sequence says, where it is more than plain text."""

    handle: int
    pieces: tuple[Delta | Reasoning | CallBegun | CallArguments, ...]


@dataclass(frozen=True, slots=True)
class SequenceFinished:
    handle: int
    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class SequenceRejected:
    """The sequence will not be (or no longer be) generated; `code` is a refusal's code."""

    handle: int
    code: str
    message: str
    param: str | None


@dataclass(frozen=True, slots=True)
class Computed:
    """The result of a `Compute`; one that fails is a `SequenceRejected`."""

    handle: int
    result: Tokens | Text | Vectors | Scores


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to `Ping`. `stalled_ms` is how long work has waited for a decode step to end."""

    serial: int
    resident_bytes: int
    stalled_ms: int


ToWorker = Load | Generate | Compute | Cancel | Ping
FromWorker = (
    Hello
    | Loaded
    | LoadFailed
    | SequenceStarted
    | SequenceEchoed
    | Deltas
    | SequencePieces
    | SequenceFinished
    | SequenceRejected
    | Computed
    | Pong
)
Message = ToWorker | FromWorker

MESSAGES: Mapping[int, type[Message]] = MappingProxyType(
    {
        1: Hello,
        2: Load,
        3: Loaded,
        4: LoadFailed,
        5: Generate,
        6: Cancel,
        7: SequenceStarted,
        8: Deltas,
        9: SequenceFinished,
        10: SequenceRejected,
        11: Ping,
        12: Pong,
        13: Compute,
        14: Computed,
        15: SequencePieces,
        16: SequenceEchoed,
    }
)
