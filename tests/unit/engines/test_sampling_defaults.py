"""A request that does not say how to sample gets what the model's makers want."""

from pathlib import Path

import pytest

from app.domain.generation import Sampling
from app.engines.worker.sampling import Defaults, Draw, greedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"temperature": 0.6, "top_p": 0.95}', Defaults(Draw(0.6, 0.95))),
        ('{"do_sample": true, "temperature": 0.7}', Defaults(Draw(0.7, 1.0))),
        ('{"do_sample": false, "temperature": 0.7}', Defaults(Draw(0.0, 1.0))),
        ('{"top_k": 20, "min_p": 0.05}', Defaults(Draw(1.0, 1.0, 20, 0.05))),
        ('{"top_k": -1, "min_p": 2, "top_p": "all"}', Defaults()),
        ("{}", Defaults()),
        ('{"temperature": "hot", "top_p": 3}', Defaults()),
        ('{"temperature": true, "top_p": -1}', Defaults()),
        ('{"temperature": 1e999}', Defaults()),
        ("[]", Defaults()),
        ("not json", Defaults()),
    ],
)
def test_defaults_are_what_the_file_says_where_it_makes_sense(
    tmp_path: Path, text: str, expected: Defaults
) -> None:
    path = tmp_path / "generation_config.json"
    path.write_text(text, "utf-8")
    assert Defaults.read(path) == expected


def test_a_model_without_the_file_is_sampled_as_openai_does(tmp_path: Path) -> None:
    assert Defaults.read(tmp_path / "generation_config.json") == Defaults(Draw(1.0, 1.0))


def test_what_the_request_says_comes_first() -> None:
    assert Defaults(Draw(0.7, 0.9)).sampler(Sampling(temperature=0.0)) is greedy
    assert Defaults(Draw(0.0, 1.0)).sampler(Sampling(seed=1)) is greedy
    assert Defaults(Draw(0.0, 1.0)).sampler(Sampling(temperature=1.0, seed=1)) is not greedy
