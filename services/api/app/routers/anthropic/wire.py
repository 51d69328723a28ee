"""The bytes of an answer on /v1/messages: named events, or one message."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from app.domain.generation import (
    AnswerEvent,
    CallArguments,
    CallBegun,
    Delta,
    Finished,
    FinishReason,
    Reasoning,
)
from app.routers.answering import Event, Said, Usage
from app.routers.errors import Fault

_REASONS: Mapping[FinishReason, str] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What identifies one answer."""

    request_id: str
    model: str
    prompt_tokens: int


class AnthropicWriter:
    """Writes one answer: blocks of text, thinking and tool use, each opened and closed once."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._blocks = 0
        self._open: str | None = None
        self._end: Finished | None = None

    # --- streamed --------------------------------------------------------------------------------

    def opening(self) -> bytes:
        header = self._header
        usage = {"input_tokens": header.prompt_tokens, "output_tokens": 0}
        message = {**self._message([], None, None), "usage": usage}
        return _event("message_start", {"message": message}) + _event("ping", {})

    def events(self, events: Sequence[Event]) -> bytes:
        return b"".join(self._one(event) for _, event in events)

    def closing(self, usage: Usage) -> bytes:
        reason, stop = _reason(self._end)
        delta = {"delta": {"stop_reason": reason, "stop_sequence": stop}, "usage": _usage(usage)}
        return self._close() + _event("message_delta", delta) + _event("message_stop", {})

    def failing(self, fault: Fault) -> bytes:
        body = fault.anthropic(self._header.request_id)
        return f"event: error\ndata: {json.dumps(body)}\n\n".encode()

    def _one(self, event: AnswerEvent) -> bytes:
        match event:
            case Delta(text=text):
                return self._in("text", {"text": ""}) + self._delta("text_delta", "text", text)
            case Reasoning(text=text):
                begun = self._in("thinking", {"thinking": "", "signature": ""})
                return begun + self._delta("thinking_delta", "thinking", text)
            case CallBegun(id=call_id, name=name):
                closed = self._close()
                block = {"id": _call_id(call_id), "name": name, "input": {}}
                return closed + self._in("tool_use", block)
            case CallArguments(text=text):
                return self._delta("input_json_delta", "partial_json", text)
            case Finished():
                self._end = event
        return b""

    def _in(self, kind: str, block: Mapping[str, Any]) -> bytes:
        """Be inside a block of that kind, opening one where needed."""
        if self._open == kind:
            return b""
        closed = self._close()
        self._open = kind
        begun = {"index": self._blocks, "content_block": {"type": kind, **block}}
        return closed + _event("content_block_start", begun)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        self._blocks += 1
        return _event("content_block_stop", {"index": self._blocks - 1})

    def _delta(self, kind: str, name: str, text: str) -> bytes:
        delta = {"index": self._blocks, "delta": {"type": kind, name: text}}
        return _event("content_block_delta", delta)

    # --- whole -----------------------------------------------------------------------------------

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        (one,) = said
        reason, stop = _reason(one.end)
        body = {**self._message(_blocks(one), reason, stop), "usage": _usage(usage)}
        return json.dumps(body).encode()

    def _message(
        self, content: list[dict[str, Any]], reason: str | None, stop: str | None
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{self._header.request_id}",
            "type": "message",
            "role": "assistant",
            "model": self._header.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stop,
        }


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.reasoning:
        blocks.append({"type": "thinking", "thinking": said.reasoning, "signature": ""})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks += [
        {
            "type": "tool_use",
            "id": _call_id(call.id),
            "name": call.name,
            "input": _input(call.arguments),
        }
        for call in said.calls
    ]
    return blocks


def _input(arguments: str) -> Any:
    """An object. Of a call that `max_tokens` cut off, as much as its client reads from a stream."""
    return from_json(arguments or "{}", allow_partial=True)


def _call_id(call_id: str) -> str:
    return "toolu_" + call_id.removeprefix("call_")


def _reason(end: Finished | None) -> tuple[str, str | None]:
    if end is None:
        raise RuntimeError("a sequence without an end is no answer")
    if end.stop is not None:
        return "stop_sequence", end.stop
    return _REASONS[end.reason], None


def _usage(usage: Usage) -> dict[str, int]:
    """Anthropic counts remembered tokens of the prompt apart from those that were read."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _event(name: str, fields: Mapping[str, Any]) -> bytes:
    body = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return f"event: {name}\ndata: {body}\n\n".encode()
