"""Seeds repeat, temperatures and nuclei do what they say, and like samplers share one call."""

import mlx.core as mx
import pytest

from app.engines.worker.sampling import Draw, Sampler, greedy, make_sampler

LOGPROBS = mx.log(mx.array([[0.6, 0.3, 0.09, 0.01]]))


def draws(sampler: Sampler, count: int = 200) -> list[int]:
    return [int(sampler(LOGPROBS).item()) for _ in range(count)]


def test_a_seed_repeats() -> None:
    first, second = (make_sampler(Draw(1.0, 1.0), seed=7) for _ in range(2))
    assert draws(first) == draws(second)
    assert draws(first) != draws(make_sampler(Draw(1.0, 1.0), seed=8))


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 - 1, -(2**70), 2**200])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    assert draws(make_sampler(Draw(1.0, 1.0), seed=seed), 1)[0] in range(4)


def test_tokens_come_as_often_as_they_are_likely() -> None:
    drawn = draws(make_sampler(Draw(1.0, 1.0), seed=1), 2000)
    assert 0.55 < drawn.count(0) / 2000 < 0.65
    assert 0.25 < drawn.count(1) / 2000 < 0.35


def test_heat_evens_out_and_cold_sharpens() -> None:
    cold = draws(make_sampler(Draw(0.2, 1.0), seed=1))
    hot = draws(make_sampler(Draw(50.0, 1.0), seed=1))
    assert cold.count(0) > 180
    assert hot.count(3) > 20


def test_the_nucleus_leaves_the_rest_out() -> None:
    assert set(draws(make_sampler(Draw(1.0, 0.8), seed=1))) == {0, 1}


def test_the_nucleus_is_taken_after_the_temperature() -> None:
    assert set(draws(make_sampler(Draw(50.0, 0.8), seed=1))) >= {0, 1, 2}


def test_only_so_many_of_the_likeliest_are_drawn() -> None:
    assert set(draws(make_sampler(Draw(50.0, top_k=2), seed=1))) == {0, 1}
    assert set(draws(make_sampler(Draw(50.0, top_k=4), seed=1))) == {0, 1, 2, 3}
    assert set(draws(make_sampler(Draw(50.0, top_k=10**6), seed=1))) == {0, 1, 2, 3}


def test_what_is_much_less_likely_than_the_likeliest_is_left_out() -> None:
    assert set(draws(make_sampler(Draw(1.0, min_p=0.1), seed=1), 1000)) == {0, 1, 2}
    assert set(draws(make_sampler(Draw(1.0, min_p=0.4), seed=1), 1000)) == {0, 1}


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1e-9, 1.0), (1.0, 0.0)])
def test_no_temperature_and_no_nucleus_are_greedy(temperature: float, top_p: float) -> None:
    assert make_sampler(Draw(temperature, top_p), seed=1) is greedy


@pytest.mark.parametrize("temperature", [1e-3, 1e-2])
def test_a_low_temperature_does_not_underflow(temperature: float) -> None:
    flat = mx.full((1, 50_000), -10.8)
    drawn = make_sampler(Draw(temperature, 0.5), seed=1)(flat)
    assert 0 <= drawn.item() < 50_000


def test_without_a_seed_like_samplers_are_one() -> None:
    first, second = (make_sampler(Draw(0.7, 0.9), seed=None) for _ in range(2))
    assert first is second
    assert make_sampler(Draw(0.7, 0.9), seed=1) is not make_sampler(Draw(0.7, 0.9), seed=1)


@pytest.mark.parametrize("draw", [Draw(top_k=1), Draw(min_p=1.0), Draw(0.7, 0.9, 1, 0.5)])
def test_what_leaves_one_token_is_greedy(draw: Draw) -> None:
    assert make_sampler(draw, seed=1) is greedy
