"""The HTTP client of the benchmarks, in a process of its own: raw sockets, so that it costs little.

It only notes times while an answer streams in, and reads the answer after the last byte.
"""

import asyncio
import json
import re
import time
from typing import Any

from bench.child import Json, answer_questions

CONTENT = re.compile(rb'"content":\s*"[^"]')
USAGE = re.compile(rb'"completion_tokens":\s*(\d+)')
CACHED = re.compile(rb'"cached_tokens":\s*(\d+)')
DONE = b"data: [DONE]"


class Answer(asyncio.Protocol):
    """One streamed chat completion."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.received = bytearray()
        self.first: float | None = None
        self.ended: float | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.received += data
        if self.first is None and CONTENT.search(self.received):
            self.first = now
        if DONE in self.received[-len(data) - len(DONE) :]:
            self.ended = now
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


async def stream(port: int, body: bytes) -> Json:
    """Ask once; times are seconds since the request was begun."""
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n".encode()
        + b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
        + body
    )
    answer = Answer(request)
    started = time.perf_counter()
    await asyncio.get_running_loop().create_connection(lambda: answer, "127.0.0.1", port)
    await answer.done
    counted = USAGE.findall(answer.received)
    if answer.first is None or answer.ended is None or not counted:
        return {"failed": answer.received[-500:].decode(errors="replace")}
    return {
        "first_s": answer.first - started,
        "ended_s": answer.ended - started,
        "tokens": int(counted[-1]),
        "cached": int(cached[-1]) if (cached := CACHED.findall(answer.received)) else 0,
    }


async def streams(port: int, bodies: list[bytes]) -> Json:
    started = time.perf_counter()
    answers = await asyncio.gather(*(stream(port, body) for body in bodies))
    return {"wall_s": time.perf_counter() - started, "answers": answers}


def body_of(model: str, prompt: str, max_tokens: int, more: Json) -> bytes:
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }
    return json.dumps(asked).encode()


def answer(question: Json) -> Json:
    model, max_tokens, more = question["model"], question["max_tokens"], question.get("more", {})
    bodies = [body_of(model, prompt, max_tokens, more) for prompt in question["prompts"]]
    return asyncio.run(streams(question["port"], bodies))


if __name__ == "__main__":
    answer_questions(answer)
