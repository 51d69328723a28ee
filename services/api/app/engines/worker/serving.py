"""One loaded model at work: loads it, proves it with a canary, and passes work between threads."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

import mlx.core as mx

from app.domain.refusals import Refusal
from app.engines.protocol import (
    Cancel,
    FromWorker,
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
from app.engines.worker.batch import Batch, Drain, failed
from app.engines.worker.generator import new_generator
from app.engines.worker.loading import CannotLoad, LoadedModel, load
from app.engines.worker.memory import OwnMemory, is_out_of_memory
from app.engines.worker.prompts import Prompts

Send = Callable[[list[FromWorker]], None]

CANARY_TOKENS = 2
LOAD_GUARD_S = 0.05


class Serving:
    """`handle` runs in the thread that reads frames, `serve` in the main thread."""

    def __init__(self, spec: Load, send: Send) -> None:
        self._spec = spec
        self._send = send
        self._memory = OwnMemory()
        self._batch: Batch | None = None
        self._asked: SimpleQueue[Generate] = SimpleQueue()

    def handle(self, message: Message) -> None:
        batch = self._batch
        match message:
            case Ping(serial):
                stalled_ms = 0 if batch is None else batch.stalled_ms
                self._send([Pong(serial, self._memory.resident_bytes(), stalled_ms)])
            case Generate():
                self._asked.put(message)
            case Cancel() if batch is not None:
                batch.inbox.put(message)

    def serve(self) -> None:
        """Load, then generate until SIGTERM has been taken and everything is finished."""
        started = time.monotonic()
        model, prompts = self._load()
        gc.collect()
        gc.freeze()  # the model and the libraries stay: no collection needs to look at them
        batch = Batch(model, slots=self._spec.slots, send=self._send, over_memory=self._over_memory)
        self._batch = batch
        self._drain_on_sigterm(batch)
        threading.Thread(target=self._prepare, args=(prompts, batch), daemon=True).start()
        self._send(
            [
                Loaded(
                    load_ms=int((time.monotonic() - started) * 1000),
                    vocab_size=model.vocab_size,
                    base_bytes=self._memory.base_bytes,
                    resident_bytes=self._memory.resident_bytes(),
                )
            ]
        )
        batch.run()

    def _load(self) -> tuple[LoadedModel, Prompts]:
        loaded = threading.Event()
        threading.Thread(target=self._guard_load, args=(loaded,), daemon=True).start()
        limit = self._spec.memory_limit_bytes
        try:
            model = load(Path(self._spec.directory), memory_limit_bytes=limit)
            prompts = Prompts(model, context=self._spec.context)
            sing(model)
        except CannotLoad as error:
            self._give_up(str(error), out_of_memory=False)
        except Exception as error:  # noqa: BLE001 - files that lie make MLX raise anything
            reason = f"{type(error).__name__}: {error}"[:1000]
            self._give_up(reason, out_of_memory=is_out_of_memory(error))
        loaded.set()
        if self._over_memory():
            self._give_up(self._too_much(), out_of_memory=True)
        return model, prompts

    def _guard_load(self, loaded: threading.Event) -> None:
        """Files may hold more than their headers promised: stop before the machine swaps."""
        while not loaded.wait(LOAD_GUARD_S):
            if self._over_memory():
                self._give_up(self._too_much(), out_of_memory=True)

    def _prepare(self, prompts: Prompts, batch: Batch) -> None:
        while True:
            asked = self._asked.get()
            try:
                prepared = prompts.prepare(asked)
            except Refusal as refusal:
                rejected = SequenceRejected(
                    asked.handle, refusal.code, refusal.message, refusal.param
                )
                self._send([rejected])
            except Exception as error:  # noqa: BLE001 - the next prompt still needs this thread
                self._send([failed(asked.handle, error)])
            else:
                self._send([SequenceStarted(asked.handle, len(prepared.tokens))])
                batch.inbox.put(prepared)

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
    def _drain_on_sigterm(batch: Batch) -> None:
        def drain(_number: int, _frame: FrameType | None) -> None:
            batch.inbox.put(Drain())

        signal.signal(signal.SIGTERM, drain)


def sing(model: LoadedModel) -> None:
    """The canary: a short greedy generation whose numbers must be numbers."""
    generator = new_generator(model.model, slots=1)
    token = min(model.end_tokens, default=0) % model.vocab_size
    generator.insert([[token, token]], [CANARY_TOKENS])
    while True:
        responses = generator.next_generated()
        if not responses:
            raise CannotLoad("The model's canary produced no token.")
        if mx.isnan(responses[0].logprobs).any().item():
            raise CannotLoad("The model's canary produced numbers that are not numbers (NaN).")
        if responses[0].finish_reason is not None:
            return
