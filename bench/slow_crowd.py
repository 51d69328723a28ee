"""Slow clients, in a process of their own: half send a byte a second, half read one.

Whoever is let go comes back at once, so that there are always as many.
"""

import asyncio
import json
import socket
import threading
from contextlib import suppress

from bench.child import Json, answer_questions

HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n\r\n"
BODY_BYTES = 10_000
ANSWER_TOKENS = 40


class Crowd:
    """`count` of them at one server, until `go`."""

    def __init__(self, port: int, model: str, count: int) -> None:
        self._port, self._model, self._count = port, model, count
        self._here = 0
        self._all_here = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        if not self._all_here.wait(60):
            raise RuntimeError(f"{self._here} of {count} slow clients were let in")

    def go(self) -> None:
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._work = self._loop.create_task(self._all())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)
        self._loop.close()

    async def _all(self) -> None:
        await asyncio.gather(*(self._again_and_again(number) for number in range(self._count)))

    async def _again_and_again(self, number: int) -> None:
        said = self._said(number)
        arrived = False
        while True:
            with socket.socket() as one:
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                with suppress(OSError):
                    await self._loop.sock_connect(one, ("127.0.0.1", self._port))
                    await self._loop.sock_sendall(one, said)
                    if not arrived:
                        arrived = True
                        self._arrived()
                    await self._slowly(one, sends=number % 2 == 0)
            await asyncio.sleep(0.2)
            said = self._said(1 if number % 2 else 0)

    async def _slowly(self, one: socket.socket, *, sends: bool) -> None:
        while True:
            await asyncio.sleep(1)
            if sends:
                await self._loop.sock_sendall(one, b" ")
            elif not await self._loop.sock_recv(one, 1):
                return

    def _arrived(self) -> None:
        self._here += 1
        if self._here == self._count:
            self._all_here.set()

    def _said(self, number: int) -> bytes:
        """Of those that read, every second asks the model, the first time: its answers end."""
        if number % 2 == 0:
            return self._head("POST", "/v1/chat/completions", BODY_BYTES)
        if number % 4 == 1:
            return self._head("GET", "/openapi.json", 0)
        text = json.dumps(
            {
                "model": self._model,
                "messages": [{"role": "user", "content": f"tell me of {number}"}],
                "max_tokens": ANSWER_TOKENS,
                "stream": True,
            }
        )
        return self._head("POST", "/v1/chat/completions", len(text)) + text.encode()

    def _head(self, method: str, path: str, length: int) -> bytes:
        return HEAD.format(method=method, path=path, port=self._port, length=length).encode()


_crowds: list[Crowd] = []


def answer(question: Json) -> Json:
    """`come`: return once all are there. `go`: return once all have left."""
    if question["do"] == "come":
        _crowds.append(Crowd(question["port"], question["model"], question["count"]))
    else:
        _crowds.pop().go()
    return {}


if __name__ == "__main__":
    answer_questions(answer)
