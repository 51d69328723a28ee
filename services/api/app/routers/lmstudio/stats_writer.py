"""OpenAI's answers with what /api/v0 adds to them: stats, model_info and runtime."""

import json
from collections.abc import Sequence
from typing import Any

from app.domain.generation import Finished, FinishReason
from app.routers.answering import Event, Said, Usage, Writer
from app.routers.faults import Fault
from app.routers.lmstudio.described import model_info, runtime
from app.routers.lmstudio.measured import Measured

_END_OF_CHUNK = b"}\n\n"
_END_OF_BODY = b"}"


class StatsWriter:
    """Wraps the writer of the same answer on /v1. Streams tell the figures in the last chunk."""

    def __init__(
        self, writer: Writer, generation: Measured, *, max_tokens: int | None, version: str
    ) -> None:
        self._writer = writer
        self._generation = generation
        self._max_tokens = max_tokens
        self._version = version
        self._ends: list[Finished] = []

    def opening(self) -> bytes:
        return self._writer.opening()

    def events(self, events: Sequence[Event]) -> bytes:
        self._ends += [event for _, event in events if isinstance(event, Finished)]
        body = self._writer.events(events)
        if len(self._ends) < len(self._generation.prompt_tokens):
            return body
        return _with(body, _END_OF_CHUNK, self._told(self._ends))

    def closing(self, usage: Usage) -> bytes:
        return self._writer.closing(usage)

    def failing(self, fault: Fault) -> bytes:
        return self._writer.failing(fault)

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        ends = [one.end for one in said if one.end is not None]
        return _with(self._writer.whole(said, usage), _END_OF_BODY, self._told(ends))

    def _told(self, ends: Sequence[Finished]) -> dict[str, Any]:
        model, pace = self._generation.model, self._generation.pace
        tokens = sum(end.completion_tokens for end in ends)
        return {
            "stats": {
                "tokens_per_second": pace.tokens_per_second(tokens),
                "time_to_first_token": round(pace.time_to_first_token_s, 6),
                "generation_time": round(pace.last_s, 6),
                "stop_reason": stop_reason(ends[0], self._max_tokens),
            },
            "model_info": model_info(model),
            "runtime": runtime(model, self._version),
        }


def stop_reason(end: Finished, max_tokens: int | None) -> str:
    """Why an answer ended, in LM Studio's words, which tell more than OpenAI's."""
    match end.reason:
        case FinishReason.TOOL_CALLS:
            return "toolCalls"
        case FinishReason.STOP:
            return "eosFound" if end.stop is None else "stopStringFound"
        case FinishReason.LENGTH:
            asked = max_tokens is not None and end.completion_tokens >= max_tokens
            return "maxPredictedTokensReached" if asked else "contextLengthReached"


def _with(body: bytes, tail: bytes, members: dict[str, Any]) -> bytes:
    """`body`, whose last JSON object ends with `tail`, with `members` in that object."""
    if not body.endswith(tail):
        raise ValueError("an answer does not end with a JSON object")
    more = json.dumps(members, separators=(",", ":")).encode()
    return body[: -len(tail)] + b"," + more[1:-1] + tail
