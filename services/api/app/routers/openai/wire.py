"""The bytes of an answer on /v1, streamed or whole: both are made here so that they agree."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from app.domain.generation import Delta, Finished, FinishReason
from app.routers.errors import Fault

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

Event = tuple[int, Delta | Finished]


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

    def choice(self, index: int, text: str, reason: FinishReason) -> dict[str, Any]:
        """One choice of an answer that is not streamed."""
        ends = {"logprobs": None, "finish_reason": reason.value}
        if self.opening is None:
            return {"index": index, "text": text, **ends}
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, **ends}


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
    """What every chunk and the whole answer repeat."""

    shape: Shape
    request_id: str
    created: int
    model: str
    fingerprint: str

    def fields(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.shape.id_prefix + self.request_id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    def whole(self, choices: list[dict[str, Any]], usage: dict[str, int]) -> bytes:
        body = {**self.fields(self.shape.whole), "choices": choices, "usage": usage}
        return json.dumps(body).encode()


class Chunks:
    """Renders one stream. All constant text is made once, here."""

    def __init__(self, envelope: Envelope, *, sequences: int, with_usage: bool) -> None:
        self._shape = shape = envelope.shape
        head = json.dumps(envelope.fields(shape.chunk), separators=(",", ":"))[:-1]
        self._start = f'data: {head},"choices":['
        self._end = ('],"usage":null}' if with_usage else "]}") + "\n\n"
        self._heads = [f'{self._start}{{"index":{index},' for index in range(sequences)]
        self._deltas = [head + shape.before for head in self._heads]
        self._after = shape.after + self._end
        self._with_usage = with_usage

    def opening(self) -> str:
        """The first chunk of every choice, where the shape has one."""
        if self._shape.opening is None:
            return ""
        return "".join(head + self._shape.opening + self._end for head in self._heads)

    def batch(self, events: Sequence[Event]) -> str:
        """Chunks for `events`: text of one choice that came together is one chunk."""
        if len(events) == 1:
            index, event = events[0]
            return self._finish(index, event) if isinstance(event, Finished) else (
                self._delta(index, event.text)
            )  # fmt: skip
        texts: dict[int, str] = {}
        out: list[str] = []
        for index, event in events:
            if isinstance(event, Finished):
                out.append(self._delta(index, texts.pop(index, "")))
                out.append(self._finish(index, event))
            else:
                texts[index] = texts.get(index, "") + event.text
        out += [self._delta(index, text) for index, text in texts.items()]
        return "".join(out)

    def usage(self, usage: dict[str, int]) -> str:
        if not self._with_usage:
            return ""
        counts = json.dumps(usage, separators=(",", ":"))
        return f'{self._start}],"usage":{counts}}}\n\n'

    def _delta(self, index: int, text: str) -> str:
        return self._deltas[index] + quoted(text) + self._after if text else ""

    def _finish(self, index: int, event: Finished) -> str:
        reason = quoted(event.reason.value)
        return f"{self._heads[index]}{self._shape.finish}{reason}}}{self._end}"


def error_event(fault: Fault) -> bytes:
    """The only thing to say once an answer has begun; no [DONE] follows it."""
    return b"data: " + json.dumps(fault.openai()).encode() + b"\n\n"


def usage_of(*, prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
