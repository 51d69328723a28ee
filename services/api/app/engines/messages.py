"""The messages between the supervisor and a worker. `protocol` says what they are as bytes."""

from dataclasses import dataclass

from app.domain.generation import FinishReason, Prompt


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


@dataclass(frozen=True, slots=True)
class Generate:
    """Supervisor: generate one sequence. `handle` names it on this connection."""

    handle: int
    prompt: Prompt
    temperature: float
    top_p: float
    seed: int | None
    max_tokens: int | None
    stop: tuple[str, ...]


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
class SequenceFinished:
    handle: int
    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class SequenceRejected:
    """The sequence will not be (or no longer be) generated; `code` is a refusal's code."""

    handle: int
    code: str
    message: str
    param: str | None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to `Ping`. `stalled_ms` is how long work has waited for a decode step to end."""

    serial: int
    resident_bytes: int
    stalled_ms: int


@dataclass(frozen=True, slots=True)
class Log:
    """One line for the server's log. Never text of a prompt or an answer."""

    level: str
    message: str


ToWorker = Load | Generate | Cancel | Ping
FromWorker = (
    Hello
    | Loaded
    | LoadFailed
    | SequenceStarted
    | Deltas
    | SequenceFinished
    | SequenceRejected
    | Pong
    | Log
)
Message = ToWorker | FromWorker
