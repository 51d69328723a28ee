"""The decode loop: mlx-lm's `BatchGenerator`, one step at a time, and what each step brings.

Everything here belongs to one thread. Other threads put items into `inbox` and read `stalled_ms`.
"""

import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from app.domain.generation import FinishReason
from app.domain.refusals import Refusal
from app.engines.worker.backend import Job, Prepared, Send, Steps, failed
from app.engines.worker.generator import (
    First,
    Generator,
    chunk_tokens,
    new_generator,
    prompts_at_once,
)
from app.engines.worker.loading import LoadedModel
from app.engines.worker.logprobs import RowTelling
from app.engines.worker.memory import is_out_of_memory
from app.engines.worker.prefixes import WORTH_TOKENS, Prefixes
from app.engines.worker.processors import check_constraint, processors_of
from app.engines.worker.prompt_logprobs import echoing, numbers_of
from app.engines.worker.running import Running, refused
from app.engines.worker.speaking import new_voice
from app.engines.worker.stepping import BURST_TOKENS, Stepping
from app.engines.worker.voice import Outgoing, Voice

MEMORY_CHECK_S = 0.25


class Batch(Stepping):
    """Runs at most `slots` sequences at a time; further ones wait in order."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        slots: int,
        send: Send,
        over_memory: Callable[[], bool],
        prefixes: Prefixes | None = None,
    ) -> None:
        super().__init__(send)
        self._model = model
        self._slots = slots
        self._over_memory = over_memory
        self._prefixes = prefixes or Prefixes(limit_bytes=0)
        self._running: dict[int, Running] = {}
        self._memory_checked_at = 0.0
        self._read_since = 0
        self._prompts_at_once = prompts_at_once()
        self._generator = self._new_generator()

    @property
    def is_speaking(self) -> bool:
        return bool(self._running)

    @property
    def room(self) -> int:
        """Prompts join in groups: one that joined now would delay a first token."""
        if any(running.is_about_to_begin for running in self._running.values()):
            return 0
        return min(self._slots - len(self._running), self._prompts_at_once)

    def begin(self, prepared: Prepared) -> None:
        if prepared.asked.sampling.echo:
            self._jobs.append(Job(prepared.handle, self._echoed(prepared)))
        else:
            self._begin(prepared)

    def leave(self, handle: int) -> bool:
        for uid, running in self._running.items():
            if running.prepared.handle == handle:
                self._drop(uid)
                return True
        return False

    def step(self) -> None:
        """A token of all that speak, then a chunk of what is read."""
        try:
            if not self._burst:
                self._read_since = 0
                self._each(self._advance, self._generator.decode())
            if self._generator.is_reading:
                self._read()
        except Exception as error:  # noqa: BLE001 - one bad step must not end the worker
            self._step_failed(error)
        else:
            self._relieve_memory()

    @property
    def _burst(self) -> bool:
        """Whether all that speak have just begun, and wait for short prompts that came with them.

        On a processor a step takes as long as all its tokens, so their second ones would only delay
        the others' first ones.
        """
        if not self._generator.is_reading or self._read_since >= BURST_TOKENS:
            return False
        running = self._running.values()
        short = any(one.voice.tokens == 0 and one.unread <= BURST_TOKENS for one in running)
        return short and all(one.voice.tokens <= 1 for one in running)

    def _read(self) -> None:
        others = any(running.voice.tokens for running in self._running.values())
        chunk, before = chunk_tokens(beside_others=others), self._generator.tokens_read
        self._remember_prompts(self._generator.read(chunk))
        if self._generator.is_at_an_end:
            self._remember_prompts(self._generator.read(chunk))
        self._read_since += self._generator.tokens_read - before
        self._each(self._tell_first, self._generator.firsts())

    def _echoed(self, prepared: Prepared) -> Steps:
        """Give the prompt back, then begin; where no token is wanted, end."""
        self._send([(yield from echoing(self._model, prepared))])
        if prepared.max_tokens:
            self._begin(prepared)
        else:
            end, count = FinishReason.LENGTH, len(prepared.tokens)
            self._send([self._voice(prepared).finished(prepared.handle, end, prompt_tokens=count)])
        return None

    def _voice(self, prepared: Prepared) -> Voice:
        model = self._model
        return new_voice(
            model, prepared, lambda count: RowTelling(model, count=count, numbers_of=numbers_of)
        )

    def _begin(self, prepared: Prepared) -> None:
        sampling, tokens = prepared.asked.sampling, prepared.tokens
        voice = self._voice(prepared)
        known = self._prefixes.take(prepared.asked.cache_scope, tokens)
        stop = max(known.length, known.stop)
        (uid,) = self._generator.insert_segments(
            [[tokens[known.length : stop], tokens[stop:]]],
            [prepared.max_tokens],
            caches=None if known.cache is None else [known.cache],
            all_tokens=[tokens[: known.length]],
            samplers=[self._model.defaults.sampler(sampling)],
            logits_processors=[processors_of(self._model, prepared)],
        )
        self._running[uid] = Running(prepared, voice, known.length)

    def _each(self, act: Callable[[Running, Any, Outgoing], None], responses: list[Any]) -> None:
        """A response must not be kept: that of a sequence which ended holds a cache."""
        out = Outgoing()
        for response in responses:
            running = self._running.get(response.uid)
            if running is None:
                continue
            try:
                act(running, response, out)
            except Refusal as refusal:
                out.end(refused(running.prepared.handle, refusal))
                self._drop(response.uid)
            except Exception as error:  # noqa: BLE001 - rejects this sequence only
                out.end(failed(running.prepared.handle, error))
                self._drop(response.uid)
        if messages := out.messages():
            self._send(messages)

    def _tell_first(self, running: Running, first: First, out: Outgoing) -> None:
        """Before the next step, which brings it again and says whether the answer ends with it."""
        check_constraint(running.prepared)
        if first.token not in self._model.end_tokens:
            running.ahead = True
            out.add(running.prepared.handle, running.voice.hear(first.token, first.logprobs))

    def _advance(self, running: Running, response: Any, out: Outgoing) -> None:
        voice, handle, reason = running.voice, running.prepared.handle, response.finish_reason
        if reason is None:
            check_constraint(running.prepared)
        pieces = []
        if running.ahead:
            running.ahead = False
        elif response.token in self._model.end_tokens:
            voice.hear_end(response.token, response.logprobs)
        else:
            pieces = voice.hear(response.token, response.logprobs)
        if reason is None and not voice.stopped:
            out.add(handle, pieces)
            return
        out.add(handle, pieces + voice.end())
        stopped = voice.stopped or reason == "stop"
        out.end(running.finished(FinishReason.STOP if stopped else FinishReason.LENGTH))
        if reason is None:
            self._drop(response.uid)
        else:
            del self._running[response.uid]
            self._remember(running, response.all_tokens, response.prompt_cache)

    def _drop(self, uid: int) -> None:
        """Take a sequence out; what it read so far is remembered."""
        running = self._running.pop(uid, None)
        if running is None:
            return
        wanted = self._prefixes.wanted
        found = self._generator.remove([uid], return_prompt_caches=wanted)
        if wanted and uid in found:
            cache, tokens = found[uid]
            self._remember(running, tokens, cache)

    def _remember_prompts(self, read: list[Any]) -> None:
        """A prompt is remembered before its answer: those that wait may begin like it."""
        for one in read:
            running = self._running.get(one.uid)
            if running is None or one.end_of_prompt or not one.end_of_segment:
                continue
            if self._prefixes.wanted and running.unread >= WORTH_TOKENS:
                cache, tokens = self._generator.extract_cache([one.uid])[one.uid]
                self._remember(running, tokens, cache)

    def _remember(self, running: Running, tokens: list[int], cache: list[Any]) -> None:
        """What it costs is memory that may be short: a sequence never suffers from it."""
        try:
            self._prefixes.put(running.prepared.asked.cache_scope, tokens, cache)
        except Exception:  # noqa: BLE001 - what is half remembered is worth nothing
            self._prefixes.clear()
            mx.clear_cache()

    def _step_failed(self, error: Exception) -> None:
        """The generator's state is unknown now: end what ran, and start a fresh one."""
        running, self._running = list(self._running.values()), {}
        out = Outgoing()
        for one in running:
            if is_out_of_memory(error):
                self._cut_short(one, out)
            else:
                out.end(failed(one.prepared.handle, error))
        self._send(out.messages())
        self._prefixes.clear()
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
        self._prefixes.clear()
        mx.clear_cache()
        if self._over_memory():
            uid = max(self._running, key=lambda uid: self._running[uid].length)
            out = Outgoing()
            self._cut_short(self._running.pop(uid), out)
            self._send(out.messages())
            self._generator.remove([uid])
            mx.clear_cache()

    @staticmethod
    def _cut_short(running: Running, out: Outgoing) -> None:
        out.add(running.prepared.handle, running.voice.end())
        out.end(running.finished(FinishReason.LENGTH))

    def _new_generator(self) -> Generator:
        model, ends = self._model.model, self._model.end_tokens
        return new_generator(model, slots=self._slots, end_tokens=ends)
