"""Turns texts and messages into a model's tokens and back, whichever engine holds the model."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.engines.protocol import Generate
from app.engines.worker.backend import Steps
from app.engines.worker.markers import Markers
from app.engines.worker.text import TextStream


class Language(Protocol):
    """A model's tokenizer, chat templates and markers."""

    @property
    def vocab_size(self) -> int:
        """Every token is below it."""

    @property
    def longest_token(self) -> int:
        """No token stands for more characters than this."""

    @property
    def chat_templates(self) -> Mapping[str, str]:
        """By name: `default`, and `tool_use` where tools have one of their own. Maybe empty."""

    @property
    def template_constants(self) -> Mapping[str, str]:
        """What templates read besides the messages, such as `bos_token`."""

    @property
    def control_tokens(self) -> Sequence[str]:
        """The texts that `encode` takes for control tokens wherever they stand."""

    @property
    def markers(self) -> Markers: ...

    def encode(self, text: str, *, special: bool) -> list[int]:
        """`special` adds what the tokenizer puts around a text. May raise anything."""

    def decode(self, tokens: Sequence[int]) -> str:
        """With the control tokens."""

    def bytes_of(self, token: int) -> bytes:
        """Of any token below `vocab_size`; none where it stands for no text."""

    def new_text_stream(self, shown: Sequence[str] = ()) -> TextStream:
        """Leaves the control tokens out, except those in `shown`."""


class Vectoring(Protocol):
    """Gives vectors of texts, in steps that the model's own thread runs."""

    def embed(self, inputs: Sequence[Sequence[int]], dimensions: int | None) -> Steps:
        """Inputs are checked tokens that fit the context. Raises `TaskNotSupported`."""


class Constraining(Protocol):
    """Compiles what an answer has to obey."""

    def compile(self, asked: Generate, rendered: str) -> object | None:
        """None where nothing is asked for. Raises `ConstraintRejected`."""
