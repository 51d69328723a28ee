"""Tokens are drawn from logits by the definitions, and a seed repeats them."""

import numpy as np
import pytest

from app.domain.generation import Sampling
from app.engines.worker.gguf.drawing import (
    Draw,
    Row,
    Sampler,
    defaults_of,
    kept,
    log_probabilities,
)
from app.engines.worker.gguf.penalties import Penalties


def row(*probabilities: float) -> Row:
    return np.log(np.array(probabilities, dtype=np.float32))


def allowed(draw: Draw, logits: Row) -> list[int]:
    tokens, _ = kept(logits, draw)
    return [int(token) for token in tokens]


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (Draw(), [0, 1, 2, 3]),
        (Draw(top_k=2), [1, 3]),
        (Draw(top_k=9), [0, 1, 2, 3]),
        (Draw(top_p=0.5), [3]),
        (Draw(top_p=0.51), [1, 3]),
        (Draw(top_p=0.9), [0, 1, 3]),
        (Draw(min_p=0.5), [1, 3]),
        (Draw(top_k=3, top_p=0.9, min_p=0.3), [1, 3]),
        # At a high temperature the same share takes more tokens: temperature comes first.
        (Draw(temperature=10.0, top_p=0.5), [1, 3]),
    ],
)
def test_what_may_be_drawn_follows_the_definitions(draw: Draw, expected: list[int]) -> None:
    assert allowed(draw, row(0.15, 0.3, 0.05, 0.5)) == expected


def test_a_nucleus_in_a_large_vocabulary_is_that_of_a_full_sort() -> None:
    logits = np.random.default_rng(3).normal(size=20_000).astype(np.float32)
    for share in (0.1, 0.5, 0.99):
        weights = np.exp(logits.astype(np.float64))
        order = np.argsort(-weights)
        count = int(np.searchsorted(np.cumsum(weights[order]), share * weights.sum())) + 1
        assert allowed(Draw(top_p=share), logits) == sorted(order[:count].tolist())


def test_tokens_come_as_often_as_their_probability_says() -> None:
    sampler = Sampler(Draw(), seed=7)
    drawn = np.bincount([sampler(row(0.1, 0.2, 0.7)) for _ in range(4000)], minlength=3) / 4000
    assert drawn == pytest.approx([0.1, 0.2, 0.7], abs=0.03)


def test_a_seed_repeats_and_no_seed_does_not() -> None:
    logits = np.zeros(1000, dtype=np.float32)

    def drawn(seed: int | None) -> list[int]:
        sampler = Sampler(Draw(), seed=seed)
        return [sampler(logits) for _ in range(8)]

    assert drawn(5) == drawn(5) != drawn(6)
    assert drawn(-1) == drawn(2**64 - 1)
    assert drawn(None) != drawn(None)


@pytest.mark.parametrize(
    "draw", [Draw(temperature=0.0), Draw(top_p=0.0), Draw(top_k=1), Draw(min_p=1.0)]
)
def test_whatever_leaves_one_token_is_greedy(draw: Draw) -> None:
    assert Sampler(draw, seed=None)(row(0.2, 0.5, 0.3)) == 1


def test_what_is_forbidden_is_never_drawn_even_at_the_lowest_temperature() -> None:
    logits = np.array([-np.inf, 3.0, -np.inf, 1.0], dtype=np.float32)
    for temperature in (1e-3, 1.0, 2.0):
        sampler = Sampler(Draw(temperature=temperature), seed=1)
        assert {sampler(logits) for _ in range(200)} <= {1, 3}


def test_log_probabilities_add_up_to_one() -> None:
    logits = np.array([1000.0, 999.0, -1000.0, -np.inf], dtype=np.float32)
    told = log_probabilities(logits)
    assert np.exp(told).sum() == pytest.approx(1.0)
    assert told[0] - told[1] == pytest.approx(1.0)


def test_the_files_own_sampling_is_the_default_and_a_request_goes_before_it() -> None:
    meta = {"general.sampling.temp": "0.6", "general.sampling.top_k": "20"}
    draw = defaults_of(meta.get)
    assert draw == Draw(temperature=0.6, top_k=20)
    assert draw.of(Sampling(temperature=0.0, top_k=0)) == Draw(temperature=0.0)
    assert (
        defaults_of({"general.sampling.temp": "nan", "general.sampling.top_p": "7"}.get) == Draw()
    )


def test_penalties_follow_their_definitions() -> None:
    sampling = Sampling(
        presence_penalty=0.5,
        frequency_penalty=0.25,
        repetition_penalty=2.0,
        logit_bias=((3, 1.5), (3, 1.0), (99, 5.0)),
    )
    penalties = Penalties(sampling, [0], vocab_size=4)
    logits = np.array([2.0, 2.0, -2.0, 0.0], dtype=np.float32)
    penalties.apply(logits)
    assert logits.tolist() == [1.0, 2.0, -2.0, 2.5]  # the answer has no token yet
    for token in (1, 2, 2):
        penalties.hear(token)
    logits = np.array([2.0, 2.0, -2.0, 0.0], dtype=np.float32)
    penalties.apply(logits)
    assert logits.tolist() == [1.0, 0.25, -5.0, 2.5]


def test_a_request_without_penalties_leaves_the_logits_alone() -> None:
    penalties = Penalties(Sampling(), [1, 2, 3], vocab_size=4)
    penalties.hear(1)
    logits = np.array([2.0, 2.0, -2.0, 0.0], dtype=np.float32)
    penalties.apply(logits)
    assert logits.tolist() == [2.0, 2.0, -2.0, 0.0]
