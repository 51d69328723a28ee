"""The bytes of a response: typed events with numbers, or one object."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.generation import (
    AnswerEvent,
    CallArguments,
    CallBegun,
    Delta,
    Finished,
    FinishReason,
    Reasoning,
)
from app.routers.answering import Call, Event, Said, Usage
from app.routers.faults import Fault
from app.routers.openai.logprobs import responses_logprobs

Json = dict[str, Any]
Keep = Callable[[Json, Said], None]


@dataclass(frozen=True, slots=True)
class Header:
    """What identifies one response, and what of its request it repeats."""

    id: str
    created: int
    model: str
    repeated: Mapping[str, Any]


@dataclass(slots=True)
class _Open:
    """The item that is being written."""

    kind: str
    id: str
    text: str = ""
    logprobs: list[Json] = field(default_factory=list)
    call: Call | None = None


class ResponsesWriter:
    """Writes one response: items of reasoning, text and calls, each opened and closed once.

    `keep` is told the finished response and what was said.
    """

    def __init__(self, header: Header, keep: Keep | None = None) -> None:
        self._header = header
        self._keep = keep
        self._number = 0
        self._items: list[Json] = []
        self._open: _Open | None = None
        self._said = Said()

    # --- whole -----------------------------------------------------------------------------------

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        (one,) = said
        for event in _events_of(one):
            self._one(event)
        self._said = one
        return json.dumps(self._finished(usage)).encode()

    # --- streamed --------------------------------------------------------------------------------

    def opening(self) -> bytes:
        begun = self._body("in_progress")
        return self._event("response.created", response=begun) + self._event(
            "response.in_progress", response=begun
        )

    def events(self, events: Sequence[Event]) -> bytes:
        for _, event in events:
            self._said.add(event)
        return b"".join(self._one(event) for _, event in events)

    def closing(self, usage: Usage) -> bytes:
        closed = self._close()
        body = self._finished(usage)
        return closed + self._event(f"response.{body['status']}", response=body)

    def failing(self, fault: Fault) -> bytes:
        error = {"code": fault.code, "message": fault.message}
        body = self._body("failed") | {"error": error}
        return self._event("response.failed", response=body)

    def _one(self, event: AnswerEvent) -> bytes:
        match event:
            case Delta(text=text, logprobs=logprobs):
                begun = self._in("message")
                return begun + self._said_text(text, responses_logprobs(logprobs))
            case Reasoning(text=text):
                begun = self._in("reasoning")
                return begun + self._delta("reasoning_text", text, content_index=0)
            case CallBegun(id=call_id, name=name):
                closed = self._close()
                return closed + self._in("function_call", Call(call_id, name))
            case CallArguments(text=text):
                return self._delta("function_call_arguments", text)
            case Finished():
                return self._close()
        return b""

    def _said_text(self, text: str, logprobs: list[Json]) -> bytes:
        if self._open is not None:
            self._open.logprobs += logprobs
        return self._delta("output_text", text, content_index=0, logprobs=logprobs)

    def _delta(self, what: str, text: str, **more: Any) -> bytes:
        if self._open is None:
            raise RuntimeError(f"{what} without an item")
        self._open.text += text
        return self._event(f"response.{what}.delta", delta=text, **self._place(), **more)

    def _in(self, kind: str, call: Call | None = None) -> bytes:
        """Be inside an item of that kind, opening one where needed."""
        if self._open is not None and self._open.kind == kind and call is None:
            return b""
        closed = self._close()
        self._open = _Open(kind, f"{_PREFIXES[kind]}_{self._header.id[5:]}_{len(self._items)}")
        self._open.call = call
        item = self._item(self._open, "in_progress")
        at = len(self._items)
        begun = self._event("response.output_item.added", output_index=at, item=item)
        if kind == "function_call":
            return closed + begun
        part = _part(kind, "", [])
        added = self._event(
            "response.content_part.added", part=part, content_index=0, **self._place()
        )
        return closed + begun + added

    def _close(self) -> bytes:
        written = self._open
        if written is None:
            return b""
        place = self._place()
        if written.call is not None:
            done = self._event(
                "response.function_call_arguments.done",
                name=written.call.name,
                arguments=written.text,
                **place,
            )
        else:
            what = "output_text" if written.kind == "message" else "reasoning_text"
            more = {"logprobs": written.logprobs} if written.kind == "message" else {}
            part = _part(written.kind, written.text, written.logprobs)
            done = self._event(
                f"response.{what}.done", text=written.text, content_index=0, **place, **more
            ) + self._event("response.content_part.done", part=part, content_index=0, **place)
        item = self._item(written, "completed")
        ended = self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        self._open = None
        return done + ended

    def _place(self) -> Json:
        item_id = self._open.id if self._open else ""
        return {"item_id": item_id, "output_index": len(self._items)}

    @staticmethod
    def _item(written: _Open, status: str) -> Json:
        begun: Json = {"id": written.id, "type": written.kind, "status": status}
        done = status == "completed"
        if written.call is not None:
            name, call_id = written.call.name, written.call.id
            return {**begun, "call_id": call_id, "name": name, "arguments": written.text}
        content = [_part(written.kind, written.text, written.logprobs)] if done else []
        if written.kind == "reasoning":
            return {**begun, "summary": [], "content": content}
        return {**begun, "role": "assistant", "content": content}

    # --- the object ------------------------------------------------------------------------------

    def _finished(self, usage: Usage) -> Json:
        end = self._said.end
        if end is None:
            raise RuntimeError("a sequence without an end is no response")
        self._close()
        cut = end.reason is FinishReason.LENGTH
        if cut and self._items:
            self._items[-1] |= {"status": "incomplete"}
        body = self._body("incomplete" if cut else "completed")
        body["incomplete_details"] = {"reason": "max_output_tokens"} if cut else None
        body["usage"] = _usage(usage)
        if self._keep is not None:
            self._keep(body, self._said)
        return body

    def _body(self, status: str) -> Json:
        return {
            "id": self._header.id,
            "object": "response",
            "created_at": self._header.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._header.model,
            "output": list(self._items),
            **self._header.repeated,
            "usage": None,
        }

    def _event(self, kind: str, /, **fields: Any) -> bytes:
        body = json.dumps(
            {"type": kind, "sequence_number": self._number, **fields}, separators=(",", ":")
        )
        self._number += 1
        return f"event: {kind}\ndata: {body}\n\n".encode()


_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


def _part(kind: str, text: str, logprobs: list[Json]) -> Json:
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _events_of(said: Said) -> list[AnswerEvent]:
    """An answer that came whole, in the order in which its parts are shown."""
    events: list[AnswerEvent] = []
    if said.reasoning:
        events.append(Reasoning(said.reasoning, 0))
    if said.text or not said.calls:
        events.append(Delta(said.text, 0, tuple(said.logprobs)))
    for index, call in enumerate(said.calls):
        events.append(CallBegun(index, call.id, call.name))
        events.append(CallArguments(index, call.arguments, 0))
    return events


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
