"""One context of llama.cpp: what it is fed, step by step, and what comes out."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.engines.worker.backend import CannotLoad
from app.engines.worker.gguf.library import Batch, Library
from app.engines.worker.gguf.weights import Weights

Logits = NDArray[np.float32]

OUTPUTS = 32
"""Rows of logits that one step may ask for besides one a slot: prompts are told in such chunks."""


@dataclass(frozen=True, slots=True)
class Feed:
    """The next tokens of one sequence, from `position` on, and of which of them logits are wanted.

    `outputs` counts from the end: 0, 1 for the last token, or all of them.
    """

    slot: int
    tokens: Sequence[int]
    position: int
    outputs: int


class Decoder:
    """Sequences with keys and values of their own, a slot each. Used by one thread."""

    def __init__(
        self, library: Library, weights: Weights, *, context: int, slots: int, threads: int
    ) -> None:
        self._call = library.call
        self.slots = slots
        self.vocab_size = int(self._call.llama_vocab_n_tokens(weights.vocabulary))
        self.tokens_at_once = PREFILL_CHUNK_TOKENS + slots
        self.outputs_at_once = OUTPUTS + slots
        params = self._call.llama_context_default_params()
        params.n_ctx, params.n_seq_max = context * slots, slots
        params.n_batch, params.n_ubatch = self.tokens_at_once, PREFILL_CHUNK_TOKENS
        params.n_outputs_max = params.n_outputs_max_per_seq = self.outputs_at_once
        params.n_threads = params.n_threads_batch = threads
        params.swa_full = params.kv_unified = False
        library.complaints.clear()
        made = self._call.llama_init_from_model(weights.pointer, params)
        if not made:
            said = library.complaints[0] if library.complaints else "no reason was given"
            raise CannotLoad(f"llama.cpp made no context of {context} tokens for {slots}: {said}")
        self._context = int(made)
        self._memory = self._call.llama_get_memory(made)
        if self._memory is None:
            raise CannotLoad(f"{weights.architecture} generates no text.")
        self._batch = Buffers(self.tokens_at_once, slots)
        self.complaints = library.complaints

    def use_threads(self, answer: int, prompt: int) -> None:
        """Threads for steps of single tokens, and for longer ones."""
        self._call.llama_set_n_threads(self._context, answer, prompt)

    def step(self, feeds: Sequence[Feed]) -> Logits:
        """A row of logits for every output that was asked for, in the order of `feeds`.

        The rows are llama.cpp's own and valid until the next step; they may be written to. Raises
        `RuntimeError`; then what the sequences of `feeds` hold is unknown.
        """
        outputs = self._batch.fill(feeds)
        code = self._call.llama_decode(self._context, self._batch.whole)
        if code != 0:
            raise RuntimeError(f"llama.cpp could not decode ({code})")
        if outputs == 0:
            return np.empty((0, self.vocab_size), dtype=np.float32)
        address = self._call.llama_get_logits(self._context)
        held = (ctypes.c_float * (self.vocab_size * outputs)).from_address(address)
        return np.frombuffer(memoryview(held), dtype=np.float32).reshape(outputs, -1)

    def keep(self, slot: int, tokens: int) -> bool:
        """Forget what a slot holds from there on. False: it could only be forgotten as a whole."""
        if self._call.llama_memory_seq_rm(self._memory, slot, tokens, -1):
            return True
        self._call.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return tokens == 0

    def copy(self, source: int, target: int) -> None:
        """Let one slot hold what another does."""
        self._call.llama_memory_seq_rm(self._memory, target, -1, -1)
        self._call.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def first_held(self, slot: int) -> int:
        """The first position that a slot still holds; a sliding window forgets the beginning."""
        return int(self._call.llama_memory_seq_pos_min(self._memory, slot))

    def clear(self) -> None:
        self._call.llama_memory_clear(self._memory, True)


class Buffers:
    """The arrays of a batch, made once."""

    def __init__(self, size: int, slots: int) -> None:
        self._tokens = np.zeros(size, dtype=np.int32)
        self._positions = np.zeros(size, dtype=np.int32)
        self._counts = np.ones(size, dtype=np.int32)
        self._wanted = np.zeros(size, dtype=np.int8)
        self._slots = np.arange(slots, dtype=np.int32)
        self._slot_addresses = self._slots.ctypes.data + 4 * np.arange(slots, dtype=np.uintp)
        self._owners = np.zeros(size + 1, dtype=np.uintp)
        self.whole = Batch(
            n_tokens=0,
            token=self._tokens.ctypes.data,
            embd=None,
            pos=self._positions.ctypes.data,
            n_seq_id=self._counts.ctypes.data,
            seq_id=self._owners.ctypes.data,
            logits=self._wanted.ctypes.data,
        )

    def fill(self, feeds: Sequence[Feed]) -> int:
        at = outputs = 0
        for feed in feeds:
            end = at + len(feed.tokens)
            self._tokens[at:end] = feed.tokens
            self._positions[at:end] = np.arange(feed.position, feed.position + end - at)
            self._owners[at:end] = self._slot_addresses[feed.slot]
            self._wanted[at:end] = 0
            self._wanted[end - feed.outputs : end] = 1
            at, outputs = end, outputs + feed.outputs
        self.whole.n_tokens = at
        return outputs
