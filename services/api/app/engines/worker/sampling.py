"""Draws tokens: a sequence with a seed has a sampler and a random key of its own.

That key is split once per token, so its tokens are the same alone and in a batch. That is also why
mlx-lm's samplers are not used: they share one random state.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import mlx.core as mx
from mlx_lm.sample_utils import apply_top_p

from app.domain.generation import Sampling

Sampler = Callable[[mx.array], mx.array]

COLDEST = 1e-4


def greedy(logprobs: mx.array) -> mx.array:
    """The likeliest token. One function for all sequences: a batch of them takes one call."""
    return mx.argmax(logprobs, axis=-1)


def make_sampler(*, temperature: float, top_p: float, seed: int | None) -> Sampler:
    """Temperature first, then the nucleus, as OpenAI has it.

    Sequences without a seed share a sampler where they sample alike: a batch of them takes one
    call, and nobody can ask for the same tokens twice.
    """
    if temperature < COLDEST or top_p <= 0.0:
        return greedy
    if seed is None:
        return _shared(temperature, top_p)
    return _sampler(temperature, top_p, seed % 2**64)


@dataclass(frozen=True, slots=True)
class Defaults:
    """How the model's makers want it sampled, for requests that do not say."""

    temperature: float = 1.0
    top_p: float = 1.0

    @classmethod
    def read(cls, path: Path) -> "Defaults":
        """What generation_config.json says; what is missing or makes no sense is 1."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return cls()
        if not isinstance(said, dict):
            return cls()
        temperature = _within(said.get("temperature"), 0.0, 2.0)
        if said.get("do_sample") is False:
            temperature = 0.0
        return cls(temperature, _within(said.get("top_p"), 0.0, 1.0))

    def sampler(self, asked: Sampling) -> "Sampler":
        """The sampler of one sequence: what it asked for, else these defaults."""
        return make_sampler(
            temperature=self.temperature if asked.temperature is None else asked.temperature,
            top_p=self.top_p if asked.top_p is None else asked.top_p,
            seed=asked.seed,
        )


def _within(value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return 1.0
    return float(value)


@lru_cache(maxsize=32)
def _shared(temperature: float, top_p: float) -> Sampler:
    return _sampler(temperature, top_p, secrets.randbits(63))


def _sampler(temperature: float, top_p: float, seed: int) -> Sampler:
    key = mx.random.key(seed)

    def sample(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, now = mx.random.split(key)
        # The likeliest token moves to 0, so that a low temperature cannot underflow all of them.
        scaled = (logprobs - logprobs.max(axis=-1, keepdims=True)) * (1.0 / temperature)
        if top_p < 1.0:
            scaled = apply_top_p(scaled, top_p)
        return mx.random.categorical(scaled, key=now)

    return sample
