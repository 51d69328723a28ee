"""Frames between the supervisor and a worker: typed, versioned, free of any I/O.

A frame is a 4-byte big-endian length, one byte that names the message, and a JSON object. The
length counts the name and the object. A worker opens with `Hello`, the supervisor with `Load`, and
both carry the protocol's version. Anything that does not parse is a `FrameError`: the connection
is beyond repair, and the worker at its other end has to go.
"""

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, get_type_hints

from app.domain.generation import ChatPrompt, FinishReason, Prompt, TextPrompt, TokenPrompt

VERSION = 1
MAX_FRAME_BYTES = 32 * 2**20

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IB")


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


class FrameTooLarge(FrameError):
    """A frame beyond `MAX_FRAME_BYTES`."""


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
    temperature: float | None
    top_p: float | None
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
    }
)
_TAGS = {message: tag for tag, message in MESSAGES.items()}


def encode(message: Message) -> bytes:
    """One frame. Raises `FrameError` for what no frame can carry."""
    try:
        # ASCII only: lone surrogates, which no UTF-8 can carry, survive as escapes.
        body = json.dumps(_plain(message), separators=(",", ":"), allow_nan=False).encode()
    except (RecursionError, TypeError, ValueError) as error:
        raise FrameError(f"cannot be sent: {error}") from error
    if len(body) + 1 > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"a frame of {len(body) + 1} bytes; {MAX_FRAME_BYTES} are allowed")
    return _HEADER.pack(len(body) + 1, _TAGS[type(message)]) + body


class Decoder:
    """Turns bytes, however they were cut, into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes, to be taken to the end.

        Raises `FrameError` after those that came before it; then nothing more is read.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, start)
                if not 0 < length <= MAX_FRAME_BYTES:
                    raise FrameTooLarge(f"a frame of {length} bytes")
                end = start + _LENGTH.size + length
                if len(buffer) < end:
                    return
                message = _parse(buffer[start + _LENGTH.size], bytes(buffer[start + 5 : end]))
                start = end
                yield message
        finally:
            del buffer[:start]

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)


def _plain(message: Message) -> dict[str, Any]:
    if isinstance(message, Deltas):
        return {"items": [(item.handle, item.text, item.tokens) for item in message.items]}
    plain = {field.name: getattr(message, field.name) for field in fields(message)}
    if isinstance(message, Generate):
        plain["prompt"] = _plain_prompt(message.prompt)
    return plain


def _plain_prompt(prompt: Prompt) -> dict[str, Any]:
    match prompt:
        case ChatPrompt(messages):
            return {"chat": [dict(message) for message in messages]}
        case TextPrompt(text):
            return {"text": text}
        case TokenPrompt(tokens):
            return {"tokens": tokens}


def _parse(tag: int, body: bytes) -> Message:
    message = MESSAGES.get(tag)
    if message is None:
        raise FrameError(f"message {tag} is not one of this protocol")
    try:
        plain = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{message.__name__} is not JSON: {error}") from error
    checks = _CHECKS[message]
    if not isinstance(plain, dict) or plain.keys() != checks.keys():
        raise FrameError(f"{message.__name__} has other fields than {', '.join(checks)}")
    return message(**{name: check(plain[name]) for name, check in checks.items()})


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise FrameError("a whole number was expected")
    return value


def _maybe(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise FrameError("a finite number was expected")
    return float(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise FrameError("true or false was expected")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise FrameError("text was expected")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise FrameError("a list was expected")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _reason(value: Any) -> FinishReason:
    try:
        return FinishReason(value)
    except ValueError as error:
        raise FrameError("an unknown finish reason") from error


def _deltas(value: Any) -> tuple[TextDelta, ...]:
    items = []
    for item in _list(value):
        if type(item) is not list or len(item) != 3:
            raise FrameError("a delta is a handle, text and a count")
        items.append(TextDelta(_whole(item[0]), _text(item[1]), _whole(item[2])))
    return tuple(items)


def _prompt(value: Any) -> Prompt:
    match value:
        case {"chat": list(messages)} if len(value) == 1 and all(
            isinstance(message, dict) for message in messages
        ):
            return ChatPrompt(tuple(messages))
        case {"text": str(text)} if len(value) == 1:
            return TextPrompt(text)
        case {"tokens": list(tokens)} if len(value) == 1:
            return TokenPrompt(tuple(_whole(token) for token in tokens))
    raise FrameError("a prompt is chat, text or tokens")


_CHECK_OF: Mapping[Any, Callable[[Any], Any]] = {
    int: _whole,
    int | None: _maybe(_whole),
    float | None: _maybe(_number),
    bool: _flag,
    str: _text,
    str | None: _maybe(_text),
    tuple[str, ...]: _texts,
    FinishReason: _reason,
    Prompt: _prompt,
    tuple[TextDelta, ...]: _deltas,
}
_CHECKS: Mapping[type[Message], Mapping[str, Callable[[Any], Any]]] = {
    message: {name: _CHECK_OF[hint] for name, hint in get_type_hints(message).items()}
    for message in MESSAGES.values()
}
