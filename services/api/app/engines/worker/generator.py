"""The only place that looks into mlx-lm's `BatchGenerator`, whose interface is not a stable one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm import generate
from mlx_lm.generate import BatchGenerator, GenerationBatch

from app.domain.feasibility import PREFILL_BATCH, PREFILL_CHUNK_TOKENS

SMALL_CHUNK_TOKENS = 128

# On Metal every generator would wire memory up to the recommended maximum, which is known to bring
# the kernel down under load. What is resident here is budgeted already, so nothing is wired.
generate.maybe_set_recommended_wired_limit = lambda: None


def prompts_at_once() -> int:
    """How many prompts of a burst are read together.

    A processor reads eight prompts in the time of seven, so together all of them would wait for the
    last; a GPU reads them in little more than the time of one.
    """
    return PREFILL_BATCH if mx.default_device() == mx.gpu else 1


def chunk_tokens(*, beside_others: bool) -> int:
    """How much of a prompt is read between two steps of the other sequences.

    A processor reads small chunks no slower than large ones, so nobody has to wait for a large one.
    A GPU reads large ones faster, which is worth it only while nobody waits.
    """
    small = beside_others or mx.default_device() != mx.gpu
    return SMALL_CHUNK_TOKENS if small else PREFILL_CHUNK_TOKENS


@dataclass(frozen=True, slots=True)
class First:
    """The first token of sequence `uid`; `decode` brings it once more."""

    uid: int
    token: int
    logprobs: mx.array


class Generator(BatchGenerator):  # type: ignore[misc]  # mlx-lm has no types
    """Decodes and reads prompts in steps of their own: neither's results wait for the other.

    mlx-lm's `next` does both, gives what it decoded once it has read, and gives the first token of
    a prompt two steps after its end was read.
    """

    _generation_batch: Any
    _firsts: tuple[tuple[list[int], Any, list[mx.array]], ...] = ()

    def decode(self) -> list[Any]:
        """One more token of every sequence that speaks."""
        if not len(self._generation_batch):
            return []
        self._counters.generation_steps += 1
        if self._counters.generation_steps % 512 == 0:
            mx.clear_cache()
        with mx.stream(self.stream):
            return list(self._generation_batch.next())

    @property
    def is_reading(self) -> bool:
        return bool(self._unprocessed_sequences or self._currently_processing)

    @property
    def is_at_an_end(self) -> bool:
        """Whether all of a prompt is read but its last token, which the answer begins with."""
        return any(
            len(segments) == len(segments[0]) == 1 for segments, *_ in self._currently_processing
        )

    @property
    def tokens_read(self) -> int:
        """Of all prompts so far."""
        return int(self._counters.prompt_tokens)

    def read(self, chunk_tokens: int) -> list[Any]:
        """A chunk of every prompt that is being read; one that is at its end begins to speak.

        Those that speak are put aside meanwhile, for else they would decode, too.
        """
        self.prefill_step_size = chunk_tokens
        speaking = self._generation_batch
        self._generation_batch = GenerationBatch.empty(self.model, self.sampler)
        read, _ = self.next()
        begun, self._generation_batch = self._generation_batch, speaking
        if len(begun):
            tokens, logprobs = begun._next_tokens, begun._next_logprobs  # noqa: SLF001
            self._firsts += ((list(begun.uids), tokens, list(logprobs)),)
            with mx.stream(self.stream):
                speaking.extend(begun)
        return list(read)

    def firsts(self) -> list[First]:
        """The first tokens of those that began since the last call."""
        begun, self._firsts = self._firsts, ()
        return [
            First(*one)
            for uids, tokens, logprobs in begun
            for one in zip(uids, tokens.tolist(), logprobs, strict=True)
        ]


def new_generator(model: Any, *, slots: int, end_tokens: Iterable[int] = ()) -> Generator:
    return Generator(
        model,
        stop_tokens=[[token] for token in end_tokens],
        completion_batch_size=slots,
        prefill_batch_size=min(PREFILL_BATCH, slots),
        prefill_step_size=PREFILL_CHUNK_TOKENS,
    )
