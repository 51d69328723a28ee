"""The bytes of an answer on /v1, streamed or whole: both are made here so that they agree."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from app.domain.generation import (
    AnswerEvent,
    CallArguments,
    CallBegun,
    Delta,
    Echoed,
    Finished,
    Reasoning,
    TokenLogprob,
)
from app.routers.answering import Event, Said, Usage
from app.routers.errors import Fault
from app.routers.openai.logprobs import LegacyLogprobs, chat_logprobs, joined

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between chat and legacy completions.

    A choice is written as text so that each delta costs one string join, not one JSON document.
    `opening` is chat's first delta; `finish` the last delta of a choice.
    """

    id_prefix: str
    whole: str
    chunk: str
    before: str
    after: str
    opening: str | None
    finish: str


CHAT = Shape(
    id_prefix="chatcmpl-",
    whole="chat.completion",
    chunk="chat.completion.chunk",
    before='"delta":{"content":',
    after='},"logprobs":null,"finish_reason":null}',
    opening='"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}',
    finish='"delta":{},"logprobs":null,"finish_reason":',
)
LEGACY = Shape(
    id_prefix="cmpl-",
    whole="text_completion",
    chunk="text_completion",
    before='"text":',
    after=',"logprobs":null,"finish_reason":null}',
    opening=None,
    finish='"text":"","logprobs":null,"finish_reason":',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every chunk and the whole answer repeat. `logprobs` is how many alternatives
    were asked for with each token; None: no log probabilities."""

    shape: Shape
    request_id: str
    created: int
    model: str
    fingerprint: str
    sequences: int
    include_usage: bool
    logprobs: int | None

    def fields(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.shape.id_prefix + self.request_id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


class Frame(NamedTuple):
    """The constant text around the text of one kind of chunk."""

    before: str
    after: str


class OpenAIWriter:
    """Writes one answer. All constant text of a stream is made once, here."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._shape = shape = envelope.shape
        head = json.dumps(envelope.fields(shape.chunk), separators=(",", ":"))[:-1]
        self._start = f'data: {head},"choices":['
        self._end = ('],"usage":null}' if envelope.include_usage else "]}") + "\n\n"
        self._heads = [f'{self._start}{{"index":{index},' for index in range(envelope.sequences)]
        self._plain = [Frame(head + shape.before, shape.after + self._end) for head in self._heads]
        self._thinking = [
            Frame(f'{head}"delta":{{"reasoning_content":', CHAT.after + self._end)
            for head in self._heads
        ]
        self._calling: dict[tuple[int, int], Frame] = {}
        self._legacy = [LegacyLogprobs(envelope.logprobs) for _ in self._heads]

    # --- streamed --------------------------------------------------------------------------------

    def opening(self) -> bytes:
        """The first chunk of every choice, where the shape has one."""
        if self._shape.opening is None:
            return b""
        return "".join(head + self._shape.opening + self._end for head in self._heads).encode()

    def events(self, events: Sequence[Event]) -> bytes:
        """Chunks for `events`: text of one kind and choice that came together is one chunk."""
        out: list[str] = []
        held: dict[int, tuple[Frame, str]] = {}
        for index, event in events:
            found = self._framed(index, event)
            last = held.pop(index, None)
            if last is not None:
                if found is not None and last[0] is found[0]:
                    held[index] = (last[0], last[1] + found[1])
                    continue
                out.append(_filled(last))
            if found is not None:
                held[index] = found
            else:
                out.append(self._other(index, event))
        out += map(_filled, held.values())
        return "".join(out).encode()

    def closing(self, usage: Usage) -> bytes:
        if not self._envelope.include_usage:
            return DONE
        counts = json.dumps(usage_of(usage), separators=(",", ":"))
        return f'{self._start}],"usage":{counts}}}\n\n'.encode() + DONE

    def failing(self, fault: Fault) -> bytes:
        """The only thing to say once an answer has begun; no [DONE] follows it."""
        return b"data: " + json.dumps(fault.openai()).encode() + b"\n\n"

    def _framed(self, index: int, event: AnswerEvent) -> tuple[Frame, str] | None:
        """An event that is nothing but text, and what is around it."""
        if type(event) is Delta:
            return None if event.logprobs else (self._plain[index], event.text)
        if type(event) is Reasoning:
            return self._thinking[index], event.text
        if type(event) is CallArguments:
            frame = self._calling.get((index, event.index))
            return frame or self._called(index, event.index), event.text
        return None

    def _called(self, index: int, call: int) -> Frame:
        before = f'"delta":{{"tool_calls":[{{"index":{call},"function":{{"arguments":'
        frame = Frame(self._heads[index] + before, "}}]" + CHAT.after + self._end)
        self._calling[index, call] = frame
        return frame

    def _other(self, index: int, event: AnswerEvent) -> str:
        match event:
            case Finished(reason=reason):
                return (
                    f"{self._heads[index]}{self._shape.finish}{quoted(reason.value)}}}{self._end}"
                )
            case Delta(text=text, logprobs=logprobs):
                return self._chunk(index, self._text_with(index, text, logprobs))
            case Echoed(text=text, logprobs=logprobs):
                chunk = self._chunk(index, self._text_with(index, text, logprobs))
                self._legacy[index].go_on_at(len(text))
                return chunk
            case CallBegun(index=at, id=name_of_call, name=name):
                function = {"name": name, "arguments": ""}
                call = {"index": at, "id": name_of_call, "type": "function", "function": function}
                return self._chunk(index, {"delta": {"tool_calls": [call]}, "logprobs": None})
        raise TypeError(f"nothing to write for {type(event).__name__}")

    def _chunk(self, index: int, members: dict[str, Any]) -> str:
        choice = json.dumps({**members, "finish_reason": None}, separators=(",", ":"))
        return self._heads[index] + choice[1:] + self._end

    def _text_with(self, index: int, text: str, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
        if self._shape is CHAT:
            told = chat_logprobs(logprobs, self._envelope.logprobs)
            return {"delta": {"content": text}, "logprobs": told}
        return {"text": text, "logprobs": self._legacy[index].of(logprobs, text)}

    # --- whole -----------------------------------------------------------------------------------

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        choice = self._chat_choice if self._shape is CHAT else self._legacy_choice
        body = {
            **self._envelope.fields(self._shape.whole),
            "choices": [choice(index, one) for index, one in enumerate(said)],
            "usage": usage_of(usage),
        }
        return json.dumps(body).encode()

    def _chat_choice(self, index: int, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
        if said.reasoning:
            message["reasoning_content"] = said.reasoning
        if said.calls:
            message["content"] = said.text or None
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in said.calls
            ]
        told = chat_logprobs(said.logprobs, self._envelope.logprobs)
        return {"index": index, "message": message, "logprobs": told, **_reason(said)}

    def _legacy_choice(self, index: int, said: Said) -> dict[str, Any]:
        echoed = said.echoed or Echoed("")
        legacy = LegacyLogprobs(self._envelope.logprobs)
        told = legacy.of(echoed.logprobs, echoed.text)
        legacy.go_on_at(len(echoed.text))
        told = joined(told, legacy.of(said.logprobs, said.text))
        return {"index": index, "text": echoed.text + said.text, "logprobs": told, **_reason(said)}


def _filled(framed: tuple[Frame, str]) -> str:
    frame, text = framed
    return frame.before + quoted(text) + frame.after if text else ""


def usage_of(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _reason(said: Said) -> dict[str, str]:
    if said.end is None:
        raise RuntimeError("a sequence without an end is no choice")
    return {"finish_reason": said.end.reason.value}
