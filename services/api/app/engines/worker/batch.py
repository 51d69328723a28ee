"""The decode loop: mlx-lm's `BatchGenerator`, one step at a time, and what each step brings.

Everything here belongs to one thread. Other threads put items into `inbox` and read `stalled_ms`.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import mlx.core as mx

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.generation import FinishReason
from app.engines.protocol import (
    Cancel,
    Deltas,
    FromWorker,
    SequenceFinished,
    SequenceRejected,
    TextDelta,
)
from app.engines.worker.generator import new_generator, prompts_at_once
from app.engines.worker.loading import LoadedModel
from app.engines.worker.memory import is_out_of_memory
from app.engines.worker.prompts import Prepared
from app.engines.worker.stops import StopScanner
from app.engines.worker.text import TextStream

MEMORY_CHECK_S = 0.25

Send = Callable[[list[FromWorker]], None]


class Drain:
    """Inbox item: finish what runs, take nothing new, then return from `run`."""


Item = Prepared | Cancel | Drain


@dataclass(slots=True)
class _Running:
    """One sequence inside the generator."""

    prepared: Prepared
    text: TextStream
    stops: StopScanner
    tokens: int = 0
    unsent_tokens: int = 0

    @property
    def length(self) -> int:
        return len(self.prepared.tokens) + self.tokens

    @property
    def is_about_to_begin(self) -> bool:
        """Its first token is a few steps away; a prompt of many chunks may share its steps."""
        return self.tokens == 0 and len(self.prepared.tokens) <= PREFILL_CHUNK_TOKENS


class Batch:
    """Runs at most `slots` sequences at a time; further ones wait in order."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        slots: int,
        send: Send,
        over_memory: Callable[[], bool],
    ) -> None:
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self._model = model
        self._slots = slots
        self._send = send
        self._over_memory = over_memory
        self._waiting: deque[Prepared] = deque()
        self._running: dict[int, _Running] = {}
        self._early_cancels: set[int] = set()
        self._draining = False
        self._busy_since: float | None = None
        self._memory_checked_at = 0.0
        self._prompts_at_once = prompts_at_once()
        self._generator = self._new_generator()

    @property
    def stalled_ms(self) -> int:
        """How long the present step has taken; 0 when there is nothing to do."""
        since = self._busy_since
        return 0 if since is None else int((time.monotonic() - since) * 1000)

    def run(self) -> None:
        """Work until a `Drain` was taken and nothing runs any more."""
        while not (self._draining and not self._running):
            self._take()
            self._fill()
            if not self._running:
                continue
            self._busy_since = time.monotonic()
            self._step()
            self._busy_since = None

    def _step(self) -> None:
        """One step of all sequences. A response must not outlive it: an ended one holds a cache."""
        try:
            _, responses = self._generator.next()
        except Exception as error:  # noqa: BLE001 - one bad step must not end the worker
            self._step_failed(error)
        else:
            self._advance(responses)
            self._relieve_memory()

    def _take(self) -> None:
        """Read the inbox; wait for an item only when there is nothing to do."""
        idle = not self._running and not self._waiting
        try:
            while True:
                self._accept(self.inbox.get() if idle else self.inbox.get_nowait())
                idle = False
        except Empty:
            return

    def _accept(self, item: Item) -> None:
        match item:
            case Drain():
                self._draining = True
                while self._waiting:
                    self._send([_lost(self._waiting.popleft().handle, "is shutting down")])
            case Cancel(handle):
                self._cancel(handle)
            case Prepared(handle):
                if handle in self._early_cancels:
                    self._early_cancels.discard(handle)
                elif self._draining:
                    self._send([_lost(handle, "is shutting down")])
                else:
                    self._waiting.append(item)
                # Handles only grow: a cancel for an older one came too late and means nothing.
                self._early_cancels = {early for early in self._early_cancels if early > handle}

    def _cancel(self, handle: int) -> None:
        for uid, running in self._running.items():
            if running.prepared.handle == handle:
                self._drop(uid)
                return
        for prepared in self._waiting:
            if prepared.handle == handle:
                self._waiting.remove(prepared)
                return
        self._early_cancels.add(handle)

    def _fill(self) -> None:
        """Let waiting prompts join, in groups: one that joined now would delay a first token."""
        if any(running.is_about_to_begin for running in self._running.values()):
            return
        room = min(self._slots - len(self._running), self._prompts_at_once)
        for _ in range(min(room, len(self._waiting))):
            prepared = self._waiting.popleft()
            try:
                self._insert(prepared)
            except Exception as error:  # noqa: BLE001 - a poison prompt rejects itself only
                self._send([failed(prepared.handle, error)])

    def _insert(self, prepared: Prepared) -> None:
        asked = prepared.asked
        sampler = self._model.defaults.sampler(asked.temperature, asked.top_p, asked.seed)
        running = _Running(prepared, self._model.new_text_stream(), StopScanner(asked.stop))
        (uid,) = self._generator.insert(
            [prepared.tokens], [prepared.max_tokens], samplers=[sampler]
        )
        self._running[uid] = running

    def _advance(self, responses: list[Any]) -> None:
        deltas: list[TextDelta] = []
        ended: list[FromWorker] = []
        for response in responses:
            running = self._running.get(response.uid)
            if running is None:
                continue
            try:
                self._advance_one(running, response, deltas, ended)
            except Exception as error:  # noqa: BLE001 - rejects this sequence only
                ended.append(failed(running.prepared.handle, error))
                self._drop(response.uid)
        messages: list[FromWorker] = [Deltas(tuple(deltas))] if deltas else []
        if messages or ended:
            self._send(messages + ended)

    def _advance_one(
        self, running: _Running, response: Any, deltas: list[TextDelta], ended: list[FromWorker]
    ) -> None:
        reason = response.finish_reason
        text = ""
        if response.token not in self._model.end_tokens:
            running.tokens += 1
            running.unsent_tokens += 1
            text = running.stops.feed(running.text.add(response.token))
        if reason is not None and not running.stops.stopped:
            text += _rest(running)
        if text:
            deltas.append(TextDelta(running.prepared.handle, text, running.unsent_tokens))
            running.unsent_tokens = 0
        if running.stops.stopped or reason is not None:
            stopped = running.stops.stopped or reason == "stop"
            ended.append(_finished(running, FinishReason.STOP if stopped else FinishReason.LENGTH))
            if reason is None:
                self._generator.remove([response.uid])
            del self._running[response.uid]

    def _drop(self, uid: int) -> None:
        if self._running.pop(uid, None) is not None:
            self._generator.remove([uid])

    def _step_failed(self, error: Exception) -> None:
        """The generator's state is unknown now: end what ran, and start a fresh one."""
        running, self._running = list(self._running.values()), {}
        if is_out_of_memory(error):
            self._send([message for one in running for message in _cut_short(one)])
        else:
            self._send([failed(one.prepared.handle, error) for one in running])
        self._generator = self._new_generator()
        mx.clear_cache()

    def _relieve_memory(self) -> None:
        """Beyond what the worker was promised, the longest sequence ends with what it has."""
        now = time.monotonic()
        if now - self._memory_checked_at < MEMORY_CHECK_S or not self._running:
            return
        self._memory_checked_at = now
        if not self._over_memory():
            return
        mx.clear_cache()
        if self._over_memory():
            uid = max(self._running, key=lambda uid: self._running[uid].length)
            self._send(_cut_short(self._running[uid]))
            self._drop(uid)
            mx.clear_cache()

    def _new_generator(self) -> Any:
        model, ends = self._model.model, self._model.end_tokens
        return new_generator(model, slots=self._slots, end_tokens=ends)


def _rest(running: _Running) -> str:
    """Text held back so far. It may still complete a stop string."""
    text = running.stops.feed(running.text.flush())
    return text if running.stops.stopped else text + running.stops.flush()


def _cut_short(running: _Running) -> list[FromWorker]:
    text = _rest(running)
    delta = TextDelta(running.prepared.handle, text, running.unsent_tokens)
    finished = _finished(running, FinishReason.LENGTH)
    return [Deltas((delta,)), finished] if text else [finished]


def _finished(running: _Running, reason: FinishReason) -> SequenceFinished:
    prepared = running.prepared
    return SequenceFinished(prepared.handle, reason, len(prepared.tokens), running.tokens)


def failed(handle: int, error: Exception) -> SequenceRejected:
    """Names the kind of error only: its words may hold text of the prompt."""
    return _lost(handle, f"failed at this request ({type(error).__name__})")


def _lost(handle: int, what: str) -> SequenceRejected:
    message = f"The model's worker {what}. Send the request again."
    return SequenceRejected(handle, "worker_lost", message, None)
