"""One child from its order to its end, in a thread of its own: writes, listens, and counts."""

import json
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.advice.contained import Order, Outcome, Tried
from app.domain.advice.frames import Answer, Question
from app.engines.advisor_frames import Garbage, Heard, answered, shown
from app.engines.advisor_process import AdvisorProcess, Ended

_MIB: Final = 2**20
_TICK_S: Final = 0.05
_PIECE: Final = 65_536
_PAUSE_S: Final = 0.002
"""Between two pieces: who writes byte by byte would keep the host busier than itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`clock_s` stands still while the host looks for an answer; `answers_s` is for those, all of
    them together. `mapped_bytes`: address space beyond `memory_bytes`, for
    what is mapped and never touched."""

    clock_s: float
    cpu_s: int
    memory_bytes: int = 256 * _MIB
    mapped_bytes: int = 96 * _MIB
    output_bytes: int = _MIB
    line_bytes: int = 64 * 1024
    questions: int = 3
    answers_s: float = 300.0


ADVISE: Final = Limits(clock_s=30, cpu_s=10)
REPLAY: Final = Limits(clock_s=180, cpu_s=120, line_bytes=_MIB)


class _Over(Exception):
    """The child is to be killed: what it tried, and how that ended it."""

    def __init__(self, what: str, which: str, ended: str) -> None:
        super().__init__(ended)
        self.tried = Tried(what, which)
        self.ended = ended


class AdvisorRun:
    """`ask` starts looking for an answer. `to_end` runs in one thread, `stop` may come from any."""

    def __init__(
        self,
        bundle: Path,
        order: Order,
        limits: Limits,
        ask: Callable[[Question], "Future[Answer]"],
    ) -> None:
        self._bundle = bundle
        self._limits = limits
        self._ask = ask
        self._to_write = memoryview(_line(order, limits))
        self._heard = Heard()
        self._line = b""
        self._errors = b""
        self._read = 0
        self._waiting: Future[Answer] | None = None
        self._waited_s = 0.0
        self._process: AdvisorProcess | None = None
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()

    def to_end(self) -> Outcome:
        """Raises only what `ask` raises, once the child is gone."""
        began = time.monotonic()
        try:
            self._process = process = AdvisorProcess(self._bundle)
        except OSError as error:
            return Outcome(ended=f"it could not be started: {error.strerror}")
        ours: list[Tried] = []
        why = None
        patient = False
        try:
            self._listen(process)
            patient = not self._stopped
        except _Over as over:
            ours, why = [over.tried], over.ended
        finally:
            if self._waiting is not None:
                self._waiting.cancel()
            ended = process.end(patient=patient)
        if why is None:
            why = self._how_it_ended(ended, ours)
        heard = self._heard
        return Outcome(
            proposals=tuple(heard.proposals),
            report=heard.report,
            tried=heard.all_tried(ours),
            walls=heard.walls or (),
            ended=why,
            questions=heard.questions,
            elapsed_ms=round((time.monotonic() - began) * 1000),
            cpu_ms=ended.cpu_ms,
            peak_bytes=ended.peak_bytes,
            described=heard.described,
        )

    def _listen(self, process: AdvisorProcess) -> None:
        """Until it is done, or says no more. Raises _Over."""
        began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while self._heard.ended is None and not self._stopped:
                self._want_to_write(selector, process)
                ready = {key.fd for key, _ in selector.select(_TICK_S)}
                if process.stdout in ready and not self._hear(process):
                    return
                if process.stderr in ready and not self._hear_errors(process):
                    selector.unregister(process.stderr)
                if process.stdin in ready:
                    self._write(process)
                elif ready:
                    time.sleep(_PAUSE_S)
                self._look_for_answer()
                self._check(process, time.monotonic() - began)

    def _want_to_write(self, selector: selectors.BaseSelector, process: AdvisorProcess) -> None:
        wanted, is_in = bool(self._to_write), process.stdin in selector.get_map()
        if wanted and not is_in:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        elif is_in and not wanted:
            selector.unregister(process.stdin)

    def _write(self, process: AdvisorProcess) -> None:
        try:
            self._to_write = self._to_write[os.write(process.stdin, self._to_write[:_PIECE]) :]
        except BlockingIOError:
            return
        except OSError:
            self._to_write = memoryview(b"")  # it has closed its ears; what it says is heard

    def _hear(self, process: AdvisorProcess) -> bool:
        """False where it has said everything."""
        piece = os.read(process.stdout, _PIECE)
        self._count(piece)
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            self._take(line)
            if self._heard.ended is not None:
                return False
        self._check_length(self._line)
        if self._line and not piece:
            half = shown(self._line[:80].decode("utf-8", "backslashreplace"))
            raise _Over("garbage", half, _GARBAGE)
        return bool(piece)

    def _check_length(self, line: bytes) -> None:
        limit = self._limits.line_bytes
        if len(line) > limit:
            raise _Over("output", f"a line of more than {limit} bytes", "it wrote too long a line")

    def _count(self, piece: bytes) -> None:
        self._read += len(piece)
        if self._read > self._limits.output_bytes:
            limit = self._limits.output_bytes
            raise _Over("output", f"more than {limit} bytes", "it wrote too much")

    def _take(self, line: bytes) -> None:
        self._check_length(line)
        try:
            question = self._heard.take(line)
        except Garbage as garbage:
            raise _Over("garbage", str(garbage), _GARBAGE) from None
        if question is None:
            return
        if self._heard.questions > self._limits.questions:
            self._heard.questions = self._limits.questions
            what = f"more than {self._limits.questions} questions"
            raise _Over("questions", what, f"it asked {what}")
        if self._waiting is not None:
            raise _Over("garbage", "a question before the last was answered", _GARBAGE)
        self._asked_at = time.monotonic()
        self._waiting = self._ask(question)

    def _look_for_answer(self) -> None:
        if self._waiting is None or not self._waiting.done():
            return
        waiting, self._waiting = self._waiting, None
        self._waited_s += time.monotonic() - self._asked_at
        self._to_write = memoryview(bytes(self._to_write) + answered(waiting.result()))

    def _hear_errors(self, process: AdvisorProcess) -> bool:
        piece = os.read(process.stderr, _PIECE)
        self._count(piece)
        self._errors = (self._errors + piece)[-2048:]
        return bool(piece)

    def _check(self, process: AdvisorProcess, elapsed_s: float) -> None:
        limits = self._limits
        if process.memory_bytes() > limits.memory_bytes:
            what = f"more than {limits.memory_bytes} bytes"
            raise _Over("memory", what, "it took too much memory")
        waiting_s = 0.0 if self._waiting is None else time.monotonic() - self._asked_at
        if self._waited_s + waiting_s > limits.answers_s:
            raise _Over(
                "questions", f"{limits.answers_s:g} s of answers", "its answers took too long"
            )
        if elapsed_s - self._waited_s - waiting_s > limits.clock_s:
            raise _Over("time", f"more than {limits.clock_s:g} s", "it took too long")

    def _how_it_ended(self, ended: Ended, ours: list[Tried]) -> str:
        """Of a child that nobody put an end to. Adds to `ours` what the kernel kept it from."""
        if self._stopped:
            return "it was stopped"
        said = self._heard.ended
        if said is not None:
            return said
        what, which, why = _BY_SIGNAL.get(-ended.status, ("ended", _status(ended.status), ""))
        if self._heard.walls is None:
            last = shown(self._errors.decode("utf-8", "replace").strip().rpartition("\n")[2])
            return f"it ended before its walls stood: {last or _status(ended.status)}"
        ours.append(Tried(what, which))
        return why or f"it ended without a word ({which})"


_GARBAGE: Final = "it wrote what nobody asked for"

_BY_SIGNAL: Final = {
    int(signal.SIGXCPU): ("cpu", "more of the processor than it may have", "it computed too long"),
    int(signal.SIGALRM): ("time", "more time than it may have", "it took too long"),
    int(signal.SIGSYS): ("call", "a system call that no advice makes", "it reached for the kernel"),
}


def _status(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


def _line(order: Order, limits: Limits) -> bytes:
    """The order as the child reads it. The snapshot is put in as it is: it may be long."""
    head = {
        "do": order.do,
        "advisor": order.advisor,
        "month": order.month,
        "seed": order.seed,
        "limits": {
            "address_bytes": limits.memory_bytes + limits.mapped_bytes,
            "cpu_s": limits.cpu_s,
            "alarm_s": math.ceil(limits.clock_s + limits.answers_s) + 2,
        },
    }
    snapshot = b"null" if order.snapshot is None else order.snapshot.replace(b"\n", b" ")
    return json.dumps(head).encode()[:-1] + b', "snapshot": ' + snapshot + b"}\n"
