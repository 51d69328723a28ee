"""What the worker's loop needs of whatever runs the model: one shape for MLX and for llama.cpp."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from app.domain.work import Detokenize, Embed, Rerank, Text, Tokenize, Tokens, WorkResult
from app.engines.protocol import Cancel, FromWorker, Generate, SequenceRejected

Send = Callable[[list[FromWorker]], None]
Steps = Generator[None, None, WorkResult | None]
"""Work in steps small enough that sequences go on between them; returns what is to be told."""


class CannotLoad(Exception):
    """The files are not a model that this worker may or can load."""


class Drain:
    """Inbox item: finish what runs, take nothing new, then return from `run`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sequence that fits and may be queued. `max_tokens` ends within the context.

    `rendered` is the prompt's text, empty for a prompt of tokens. `constraint` is what `constrain`
    made of the request's: compiled, in a state of its own.
    """

    handle: int
    tokens: list[int]
    max_tokens: int
    asked: Generate
    rendered: str = ""
    constraint: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """Work of the model's own thread that is no sequence."""

    handle: int
    steps: Steps


Item = Prepared | Job | Cancel | Drain


class Preparing(Protocol):
    """Everything that needs the tokenizer and not the model. Used by one thread."""

    def prepare(self, asked: Generate) -> Prepared:
        """Raises PromptRejected, ContextLengthExceeded or ConstraintRejected."""

    def tokens(self, work: Tokenize) -> Tokens: ...
    def text(self, work: Detokenize) -> Text: ...
    def steps(self, work: Embed | Rerank) -> Steps:
        """Checked and tokenized, still to be run. Raises PromptRejected or TaskNotSupported."""


class Loop(Protocol):
    """Runs sequences and jobs until drained; other threads put items into `inbox`."""

    inbox: SimpleQueue[Item]

    @property
    def stalled_ms(self) -> int: ...
    def run(self) -> None: ...


class Backend(Protocol):
    """A loaded model. Loading raises `CannotLoad`, or whatever its runtime raises."""

    vocab_size: int

    @property
    def preparing(self) -> Preparing: ...

    def sing(self) -> None:
        """The canary: a short greedy generation. Raises `CannotLoad`."""

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Loop: ...


def failed(handle: int, error: Exception) -> SequenceRejected:
    """Names the kind of error only: its words may hold text of the prompt."""
    return lost(handle, f"failed at this request ({type(error).__name__})")


def lost(handle: int, what: str) -> SequenceRejected:
    message = f"The model's worker {what}. Send the request again."
    return SequenceRejected(handle, "worker_lost", message, None)
