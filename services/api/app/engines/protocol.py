"""Frames between the supervisor and a worker: typed, versioned, free of any I/O.

A frame is a 4-byte big-endian length, one byte that names the message, and a JSON object. The
length counts the name and the object. A worker opens with `Hello`, the supervisor with `Load`, and
both carry the protocol's version. Anything that does not parse is a `FrameError`: the connection
is beyond repair, and the worker at its other end has to go.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from app.engines.messages import (
    MESSAGES,
    VERSION,
    Cancel,
    Compute,
    Computed,
    Deltas,
    FromWorker,
    Generate,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Message,
    Ping,
    Pong,
    SequenceEchoed,
    SequenceFinished,
    SequencePieces,
    SequenceRejected,
    SequenceStarted,
    TextDelta,
    ToWorker,
)
from app.engines.packing import Check, Unfit, checks_of, pack

__all__ = [
    "MAX_FRAME_BYTES",
    "MESSAGES",
    "VERSION",
    "Cancel",
    "Compute",
    "Computed",
    "Decoder",
    "Deltas",
    "FrameError",
    "FrameTooLarge",
    "FromWorker",
    "Generate",
    "Hello",
    "Load",
    "LoadFailed",
    "Loaded",
    "Message",
    "Ping",
    "Pong",
    "SequenceEchoed",
    "SequenceFinished",
    "SequencePieces",
    "SequenceRejected",
    "SequenceStarted",
    "TextDelta",
    "ToWorker",
    "encode",
]

MAX_FRAME_BYTES = 32 * 2**20

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IB")
_TAGS = {message: tag for tag, message in MESSAGES.items()}


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


class FrameTooLarge(FrameError):
    """A frame beyond `MAX_FRAME_BYTES`."""


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
    if isinstance(message, Deltas):  # once per decode step: written without looking at types
        return {"items": [(item.handle, item.text, item.tokens) for item in message.items]}
    return {field.name: pack(getattr(message, field.name)) for field in fields(message)}


def _parse(tag: int, body: bytes) -> Message:
    message = MESSAGES.get(tag)
    if message is None:
        raise FrameError(f"message {tag} is not one of this protocol")
    try:
        plain = json.loads(str(body, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{message.__name__} is not JSON: {error}") from error
    checks = _CHECKS[message]
    if not isinstance(plain, dict) or plain.keys() != checks.keys():
        raise FrameError(f"{message.__name__} has other fields than {', '.join(checks)}")
    try:
        return message(**{name: check(plain[name]) for name, check in checks.items()})
    except Unfit as error:
        raise FrameError(f"{message.__name__}: {error}") from error


def _deltas(value: Any) -> tuple[TextDelta, ...]:
    if type(value) is not list:
        raise Unfit("a list was expected")
    return tuple(_delta(item) for item in value)


def _delta(item: Any) -> TextDelta:
    """Once per streamed token, so without the pattern matching that would say it shorter."""
    if type(item) is list and len(item) == 3:
        handle, text, tokens = item
        if type(handle) is int and type(text) is str and type(tokens) is int:
            return TextDelta(handle, text, tokens)
    raise Unfit("a delta is a handle, text and a count")


_CHECKS: Mapping[type[Message], Mapping[str, Check]] = {
    message: {"items": _deltas} if message is Deltas else checks_of(message)
    for message in MESSAGES.values()
}
