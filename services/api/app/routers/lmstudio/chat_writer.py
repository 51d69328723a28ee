"""The bytes of an answer on /api/v1/chat: named events, or one object that says the same."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from app.domain.generation import AnswerEvent, Delta, Finished, Reasoning
from app.routers.answering import Event, Said, Usage
from app.routers.faults import Fault
from app.routers.lmstudio.measured import Measured

Part = Literal["message", "reasoning"]


class ChatWriter:
    """Writes one answer. `chat.end` carries what the whole answer would be."""

    def __init__(self, generation: Measured) -> None:
        self._generation = generation
        self._said = Said()
        self._tokens = self._thought = 0
        self._reading = True
        self._open: Part | None = None

    # --- streamed --------------------------------------------------------------------------------

    def opening(self) -> bytes:
        """A stream begins once its model is loaded, so that a refused load is an HTTP error."""
        begun = _event("chat.start", model_instance_id=self._generation.model_id)
        return begun + _event("prompt_processing.start")

    def events(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        part: Part | None = None
        text = ""
        for _, event in events:
            found = self._taken(event)
            if found is None:
                continue
            if found[0] != part:
                out.append(self._delta(part, text))
                part, text = found[0], ""
            text += found[1]
        out.append(self._delta(part, text))
        return self._read() + b"".join(out) if events else b""

    def closing(self, usage: Usage) -> bytes:
        return self._end() + self._chat_end(self._said, usage)

    def failing(self, fault: Fault) -> bytes:
        """The error, and then what was generated until then, as LM Studio does."""
        usage = Usage(
            prompt_tokens=sum(self._generation.prompt_tokens),
            completion_tokens=self._tokens,
            reasoning_tokens=self._thought,
        )
        told = _event("error", **fault.lm_studio())
        return self._end() + told + self._chat_end(self._said, usage)

    def _taken(self, event: AnswerEvent) -> tuple[Part, str] | None:
        """What `event` adds to which part of the answer; an end adds nothing."""
        self._said.add(event)
        match event:
            case Delta(text=text, tokens=tokens):
                self._tokens += tokens
                return ("message", text) if text else None
            case Reasoning(text=text, tokens=tokens):
                self._tokens += tokens
                self._thought += tokens
                return ("reasoning", text) if text else None
            case Finished():
                return None
        raise TypeError(f"nothing to write for {type(event).__name__}: no tools were offered")

    def _read(self) -> bytes:
        """The prompt was read, once something came of it."""
        if not self._reading:
            return b""
        self._reading = False
        done = _event("prompt_processing.progress", progress=1)
        return done + _event("prompt_processing.end")

    def _delta(self, part: Part | None, text: str) -> bytes:
        if part is None:
            return b""
        begun = b""
        if part != self._open:
            begun = self._end() + _event(f"{part}.start")
            self._open = part
        return begun + _event(f"{part}.delta", content=text)

    def _end(self) -> bytes:
        part, self._open = self._open, None
        return b"" if part is None else _event(f"{part}.end")

    def _chat_end(self, said: Said, usage: Usage) -> bytes:
        return _event("chat.end", result=self._result(said, usage))

    # --- whole -----------------------------------------------------------------------------------

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        return json.dumps(self._result(said[0], usage)).encode()

    def _result(self, said: Said, usage: Usage) -> dict[str, Any]:
        pace = self._generation.pace
        loaded = {} if pace.load_s is None else {"model_load_time_seconds": round(pace.load_s, 3)}
        return {
            "model_instance_id": self._generation.model_id,
            "output": _output(said),
            "stats": {
                "input_tokens": usage.prompt_tokens,
                "total_output_tokens": usage.completion_tokens,
                "reasoning_output_tokens": usage.reasoning_tokens,
                "tokens_per_second": pace.tokens_per_second(usage.completion_tokens),
                "time_to_first_token_seconds": round(pace.time_to_first_token_s, 6),
                **loaded,
            },
        }


def _output(said: Said) -> list[dict[str, str]]:
    """Reasoning comes first, however the model mixed them; an empty answer is a message."""
    thought = [{"type": "reasoning", "content": said.reasoning}] if said.reasoning else []
    spoken = [{"type": "message", "content": said.text}] if said.text or not thought else []
    return thought + spoken


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
