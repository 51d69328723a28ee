"""Worker programs that do everything wrong, one way each: `misbehaving.py WAY FD PARENT_PID`."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from app.engines.protocol import (
    VERSION,
    Decoder,
    Deltas,
    FromWorker,
    Generate,
    Hello,
    Loaded,
    LoadFailed,
    Ping,
    Pong,
    SequenceStarted,
    TextDelta,
    ToWorker,
    encode,
)


class Line:
    """A blocking connection to the supervisor."""

    def __init__(self, fd: int) -> None:
        self.socket = socket.socket(fileno=fd)
        self._decoder = Decoder()
        self._messages: list[ToWorker] = []

    def send(self, *messages: FromWorker) -> None:
        self.socket.sendall(b"".join(encode(message) for message in messages))

    def receive(self) -> ToWorker:
        while not self._messages:
            data = self.socket.recv(65536)
            if not data:
                os._exit(0)
            self._messages += self._decoder.feed(data)  # type: ignore[arg-type]
        return self._messages.pop(0)

    def load(self) -> None:
        self.send(Hello(VERSION, os.getpid()))
        self.receive()
        self.send(Loaded(load_ms=1, vocab_size=10, base_bytes=1, resident_bytes=2))

    def answer_pings(self, *, stalled_ms: int = 0) -> NoReturn:
        while True:
            match self.receive():
                case Ping(serial):
                    self.send(Pong(serial, 2, stalled_ms))
                case Generate() as asked:
                    self.send(SequenceStarted(asked.handle, 1))


def forever() -> NoReturn:
    while True:
        signal.pause()


def exits_at_once(_: Line) -> NoReturn:
    print("something about the reason", file=sys.stderr)
    sys.exit(3)


def says_nothing(_: Line) -> NoReturn:
    forever()


def writes_garbage(line: Line) -> NoReturn:
    line.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    forever()


def speaks_another_version(line: Line) -> NoReturn:
    line.send(Hello(VERSION + 1, os.getpid()))
    forever()


def exits_during_load(line: Line) -> NoReturn:
    line.send(Hello(VERSION, os.getpid()))
    line.receive()
    sys.exit(7)


def is_killed_during_load(line: Line) -> NoReturn:
    line.send(Hello(VERSION, os.getpid()))
    line.receive()
    os.kill(os.getpid(), signal.SIGKILL)
    forever()


def runs_out_of_memory_at_load(line: Line) -> NoReturn:
    line.send(Hello(VERSION, os.getpid()))
    line.receive()
    line.send(LoadFailed("no memory", out_of_memory=True))
    sys.exit(3)


def hangs(line: Line) -> NoReturn:
    line.load()
    forever()


def hangs_while_decoding(line: Line) -> NoReturn:
    line.load()
    line.answer_pings(stalled_ms=10**9)


def is_stopped(line: Line) -> NoReturn:
    line.load()
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


def writes_garbage_while_it_answers(line: Line) -> NoReturn:
    line.load()
    while True:
        match line.receive():
            case Generate(handle):
                delta = Deltas((TextDelta(handle, "half an ans", 3),))
                line.send(SequenceStarted(handle, 1), delta)
                line.socket.sendall(b"\xff" * 64)


def ignores_term(line: Line) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    line.load()
    line.answer_pings()


def takes_too_much_memory(line: Line) -> NoReturn:
    line.load()
    hoard = b"x" * (400 * 2**20)
    line.answer_pings(stalled_ms=len(hoard) * 0)


def leaves_a_child_behind(line: Line) -> NoReturn:
    if os.fork() == 0:
        line.socket.close()
        forever()
    line.load()
    line.answer_pings()


WAYS: dict[str, Callable[[Line], NoReturn]] = {
    way.__name__: way
    for way in (
        exits_at_once,
        says_nothing,
        writes_garbage,
        speaks_another_version,
        exits_during_load,
        is_killed_during_load,
        runs_out_of_memory_at_load,
        hangs,
        hangs_while_decoding,
        is_stopped,
        writes_garbage_while_it_answers,
        ignores_term,
        takes_too_much_memory,
        leaves_a_child_behind,
    )
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](Line(int(sys.argv[2])))
