"""The prompt given back, with the log probability of each of its tokens where asked.

A prompt's logits are as wide as the vocabulary for every token, so they are made a few tokens at a
time: no more rows at once than feasibility counts for sampling.
"""

from collections.abc import Generator
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache

from app.domain.generation import TokenLogprob
from app.engines.protocol import SequenceEchoed
from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel
from app.engines.worker.logprobs import Numbers, likeliest, shown, told

TOKENS_AT_ONCE = 16

Echoing = Generator[None, None, SequenceEchoed]


def echoing(model: LoadedModel, prepared: Prepared) -> Echoing:
    """Yields between steps; returns the prompt's text, and its log probabilities if asked for."""
    text = prepared.rendered or model.decode(prepared.tokens)
    count = prepared.asked.sampling.logprobs
    if count is None:
        return SequenceEchoed(prepared.handle, text, ())
    first = prepared.tokens[0]
    entries = [TokenLogprob(first, shown(model, first), None)]
    cache = make_prompt_cache(model.model)
    for begin in range(0, len(prepared.tokens) - 1, TOKENS_AT_ONCE):
        rows = _rows(model, prepared.tokens[begin : begin + TOKENS_AT_ONCE], cache)
        following = prepared.tokens[begin + 1 : begin + 1 + TOKENS_AT_ONCE]
        for numbers, token in zip(rows, following, strict=False):  # nothing follows the last
            top = likeliest(model, numbers, count)
            entries.append(TokenLogprob(token, shown(model, token), told(numbers[token]), top))
        yield
    return SequenceEchoed(prepared.handle, text, tuple(entries))


def _rows(model: LoadedModel, tokens: list[int], cache: list[Any]) -> Numbers:
    """Log probabilities after each of `tokens`: (tokens, vocabulary)."""
    logits = model.model(mx.array([tokens]), cache=cache)[0].astype(mx.float32)
    return np.array(logits - mx.logsumexp(logits, axis=-1, keepdims=True))


def numbers_of(row: mx.array) -> Numbers:
    """A row of the generator's as NumPy's."""
    return np.array(row.astype(mx.float32))
