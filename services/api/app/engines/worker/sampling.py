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
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p

from app.domain.generation import Sampling

Sampler = Callable[[mx.array], mx.array]

COLDEST = 1e-4


def greedy(logprobs: mx.array) -> mx.array:
    """The likeliest token. One function for all sequences: a batch of them takes one call."""
    return mx.argmax(logprobs, axis=-1)


@dataclass(frozen=True, slots=True)
class Draw:
    """How one token is drawn. 1, 0 and 0 for `top_p`, `top_k` and `min_p` leave nothing out."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0


def make_sampler(draw: Draw, *, seed: int | None) -> Sampler:
    """Temperature first, then what may be drawn at all, as OpenAI has it.

    Sequences without a seed share a sampler where they sample alike: a batch of them takes one
    call, and nobody can ask for the same tokens twice.
    """
    if draw.temperature < COLDEST or draw.top_p <= 0.0 or draw.top_k == 1 or draw.min_p >= 1.0:
        return greedy
    if seed is None:
        return _shared(draw)
    return _sampler(draw, seed % 2**64)


@dataclass(frozen=True, slots=True)
class Defaults:
    """How the model's makers want it sampled, for requests that do not say."""

    draw: Draw = Draw()

    @classmethod
    def read(cls, path: Path) -> "Defaults":
        """What generation_config.json says; what is missing or makes no sense changes nothing."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return cls()
        if not isinstance(said, dict):
            return cls()
        temperature = _within(said.get("temperature"), 0.0, 2.0, otherwise=1.0)
        return cls(
            Draw(
                temperature=0.0 if said.get("do_sample") is False else temperature,
                top_p=_within(said.get("top_p"), 0.0, 1.0, otherwise=1.0),
                top_k=int(_within(said.get("top_k"), 0, 2**31, otherwise=0)),
                min_p=_within(said.get("min_p"), 0.0, 1.0, otherwise=0.0),
            )
        )

    def draw_of(self, asked: Sampling) -> Draw:
        """What a sequence asked for, else these defaults."""
        own = self.draw
        return Draw(
            temperature=own.temperature if asked.temperature is None else asked.temperature,
            top_p=own.top_p if asked.top_p is None else asked.top_p,
            top_k=own.top_k if asked.top_k is None else asked.top_k,
            min_p=own.min_p if asked.min_p is None else asked.min_p,
        )

    def sampler(self, asked: Sampling) -> Sampler:
        """The sampler of one sequence."""
        return make_sampler(self.draw_of(asked), seed=asked.seed)


def _within(value: object, low: float, high: float, *, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return otherwise
    return float(value)


@lru_cache(maxsize=32)
def _shared(draw: Draw) -> Sampler:
    return _sampler(draw, secrets.randbits(63))


def _sampler(draw: Draw, seed: int) -> Sampler:
    key = mx.random.key(seed)

    def sample(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, now = mx.random.split(key)
        # The likeliest token moves to 0, so that a low temperature cannot underflow all of them.
        scaled = (logprobs - logprobs.max(axis=-1, keepdims=True)) * (1.0 / draw.temperature)
        return mx.random.categorical(_kept(scaled, draw), key=now)

    return sample


def _kept(scaled: mx.array, draw: Draw) -> mx.array:
    """Minus infinity for what may not be drawn."""
    if 0 < draw.top_k < scaled.shape[-1]:
        scaled = apply_top_k(scaled, draw.top_k)
    if draw.top_p < 1.0:
        scaled = apply_top_p(scaled, draw.top_p)
    if draw.min_p > 0.0:
        scaled = apply_min_p(scaled, draw.min_p)
    return scaled
