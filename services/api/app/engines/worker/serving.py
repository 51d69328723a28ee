"""One loaded model at work: loads it, proves it with a canary, and passes work between threads."""

import gc
import os
import signal
import threading
import time
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

from app.domain.refusals import Refusal
from app.domain.work import Detokenize, Tokenize
from app.engines.protocol import (
    Cancel,
    Compute,
    Computed,
    Generate,
    Load,
    Loaded,
    LoadFailed,
    Message,
    Ping,
    Pong,
    SequenceRejected,
    SequenceStarted,
)
from app.engines.worker.backend import (
    Backend,
    CannotLoad,
    Drain,
    Job,
    Loop,
    Preparing,
    Send,
    failed,
)
from app.engines.worker.memory import OwnMemory, is_out_of_memory
from app.engines.worker.opening import runtime_of

LOAD_GUARD_S = 0.05


class Serving:
    """`handle` runs in the thread that reads frames, `serve` in the main thread."""

    def __init__(self, spec: Load, send: Send) -> None:
        self._spec = spec
        self._send = send
        self._runtime = runtime_of(spec.format)
        # Measured now: what the engine takes before it loads anything is the base.
        self._memory = OwnMemory(self._runtime.held_on_device)
        self._loop: Loop | None = None
        self._asked: SimpleQueue[Generate | Compute] = SimpleQueue()

    def handle(self, message: Message) -> None:
        loop = self._loop
        match message:
            case Ping(serial):
                stalled_ms = 0 if loop is None else loop.stalled_ms
                self._send([Pong(serial, self._memory.resident_bytes(), stalled_ms)])
            case Generate() | Compute():
                self._asked.put(message)
            case Cancel() if loop is not None:
                loop.inbox.put(message)

    def serve(self) -> None:
        """Load, then generate until SIGTERM has been taken and everything is finished."""
        started = time.monotonic()
        backend = self._load()
        gc.collect()
        gc.freeze()  # the model and the libraries stay: no collection needs to look at them
        loop = self._loop = backend.loop(self._send, self._over_memory)
        self._drain_on_sigterm(loop)
        threading.Thread(target=self._prepare, args=(backend.preparing, loop), daemon=True).start()
        self._send(
            [
                Loaded(
                    load_ms=int((time.monotonic() - started) * 1000),
                    vocab_size=backend.vocab_size,
                    base_bytes=self._memory.base_bytes,
                    resident_bytes=self._memory.resident_bytes(),
                )
            ]
        )
        loop.run()

    def _load(self) -> Backend:
        loaded = threading.Event()
        threading.Thread(target=self._guard_load, args=(loaded,), daemon=True).start()
        try:
            backend = self._runtime.load(self._spec)
            backend.sing()
        except CannotLoad as error:
            self._give_up(str(error), out_of_memory=False)
        except Exception as error:  # noqa: BLE001 - files that lie make MLX raise anything
            reason = f"{type(error).__name__}: {error}"[:1000]
            self._give_up(reason, out_of_memory=is_out_of_memory(error))
        loaded.set()
        if self._over_memory():
            self._give_up(self._too_much(), out_of_memory=True)
        return backend

    def _guard_load(self, loaded: threading.Event) -> None:
        """Files may hold more than their headers promised: stop before the machine swaps."""
        while not loaded.wait(LOAD_GUARD_S):
            if self._over_memory():
                self._give_up(self._too_much(), out_of_memory=True)

    def _prepare(self, preparing: Preparing, loop: Loop) -> None:
        while True:
            asked = self._asked.get()
            try:
                self._hand_over(asked, preparing, loop)
            except Refusal as refusal:
                rejected = SequenceRejected(
                    asked.handle, refusal.code, refusal.message, refusal.param
                )
                self._send([rejected])
            except Exception as error:  # noqa: BLE001 - the next prompt still needs this thread
                self._send([failed(asked.handle, error)])

    def _hand_over(self, asked: Generate | Compute, preparing: Preparing, loop: Loop) -> None:
        if isinstance(asked, Generate):
            prepared = preparing.prepare(asked)
            self._send([SequenceStarted(asked.handle, len(prepared.tokens))])
            loop.inbox.put(prepared)
            return
        match asked.work:
            case Tokenize() as work:
                self._send([Computed(asked.handle, preparing.tokens(work))])
            case Detokenize() as work:
                self._send([Computed(asked.handle, preparing.text(work))])
            case work:
                loop.inbox.put(Job(asked.handle, preparing.steps(work)))

    def _over_memory(self) -> bool:
        """With room for what no header can predict: fragments, caches of the tokenizer."""
        limit = self._spec.memory_limit_bytes
        return self._memory.resident_bytes() > limit + max(limit // 20, 64 * 2**20)

    def _too_much(self) -> str:
        taken, limit = self._memory.resident_bytes(), self._spec.memory_limit_bytes
        return f"the model took {taken} bytes where {limit} were promised"

    def _give_up(self, reason: str, *, out_of_memory: bool) -> NoReturn:
        self._send([LoadFailed(reason, out_of_memory)])
        os._exit(3)

    @staticmethod
    def _drain_on_sigterm(loop: Loop) -> None:
        def drain(_number: int, _frame: FrameType | None) -> None:
            loop.inbox.put(Drain())

        signal.signal(signal.SIGTERM, drain)
