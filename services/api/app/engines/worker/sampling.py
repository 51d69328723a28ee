"""Draws tokens: one sampler per sequence, each with a random key of its own.

A sequence's key is split once per token, so its tokens are the same alone and in a batch. That is
also why mlx-lm's samplers are not used: they share one random state.
"""

import secrets
from collections.abc import Callable

import mlx.core as mx
from mlx_lm.sample_utils import apply_top_p

Sampler = Callable[[mx.array], mx.array]

COLDEST = 1e-4


def greedy(logprobs: mx.array) -> mx.array:
    """The likeliest token. One function for all sequences: a batch of them takes one call."""
    return mx.argmax(logprobs, axis=-1)


def make_sampler(*, temperature: float, top_p: float, seed: int | None) -> Sampler:
    """Temperature first, then the nucleus, as OpenAI has it. Without a seed, a random one."""
    if temperature < COLDEST or top_p <= 0.0:
        return greedy
    number = secrets.randbits(63) if seed is None else seed % 2**64
    key = mx.random.key(number)

    def sample(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, now = mx.random.split(key)
        # The likeliest token moves to 0, so that a low temperature cannot underflow all of them.
        scaled = (logprobs - logprobs.max(axis=-1, keepdims=True)) * (1.0 / temperature)
        if top_p < 1.0:
            scaled = apply_top_p(scaled, top_p)
        return mx.random.categorical(scaled, key=now)

    return sample
