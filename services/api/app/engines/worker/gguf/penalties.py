"""Biases and penalties on one row of logits, by the definitions of `app.engines.worker.penalties`.

Presence and frequency penalties look at the answer alone, the repetition penalty at prompt and
answer.
"""

from collections.abc import Sequence

import numpy as np

from app.domain.generation import Sampling
from app.engines.worker.gguf.drawing import Row


class Penalties:
    """What one sequence asked for. `hear` every token of the answer, then `apply`."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], *, vocab_size: int) -> None:
        self._repetition = sampling.repetition_penalty
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        known = [(token, bias) for token, bias in sampling.logit_bias if token < vocab_size]
        self._biased = np.array([token for token, _ in known], dtype=np.int64)
        self._biases = np.array([bias for _, bias in known], dtype=np.float32)
        repeats = self._repetition != 1.0
        self._seen: set[int] | None = set(prompt) if repeats else None
        self._counts: dict[int, int] | None = {} if self._presence or self._frequency else None

    @property
    def change_nothing(self) -> bool:
        return self._seen is None and self._counts is None and not len(self._biased)

    def hear(self, token: int) -> None:
        if self._seen is not None:
            self._seen.add(token)
        if self._counts is not None:
            self._counts[token] = self._counts.get(token, 0) + 1

    def apply(self, row: Row) -> None:
        """Changes the row in place."""
        if self._seen:
            seen = np.fromiter(self._seen, dtype=np.int64, count=len(self._seen))
            said = row[seen]
            row[seen] = np.where(said < 0, said * self._repetition, said / self._repetition)
        if self._counts:
            tokens = np.fromiter(self._counts, dtype=np.int64, count=len(self._counts))
            counts = np.fromiter(self._counts.values(), dtype=np.float32, count=len(tokens))
            row[tokens] -= self._presence + self._frequency * counts
        if len(self._biased):
            np.add.at(row, self._biased, self._biases)
