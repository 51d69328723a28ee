"""Penalties and biases: what their definitions say, and nothing for requests without them."""

import mlx.core as mx
import pytest

from app.domain.generation import Sampling
from app.engines.worker.penalties import penalties_of

VOCAB = 6
PROMPT = [0, 1]


def after(tokens: list[int], **asked: object) -> list[float]:
    """Logits 1, 2, 3, -1, -2, -3 after everything that was asked for."""
    logits = mx.array([[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]])
    sampling = Sampling(**asked)  # type: ignore[arg-type]
    for process in penalties_of(sampling, prompt_tokens=len(PROMPT), vocab_size=VOCAB):
        logits = process(mx.array(tokens), logits)
    found: list[float] = logits[0].tolist()
    return found


def test_nothing_is_made_for_nothing() -> None:
    assert penalties_of(Sampling(), prompt_tokens=2, vocab_size=VOCAB) == []
    unknown = Sampling(logit_bias=((VOCAB, 5.0),))
    assert penalties_of(unknown, prompt_tokens=2, vocab_size=VOCAB) == []


def test_presence_counts_once_and_the_answer_only() -> None:
    assert after([*PROMPT, 2, 2, 3], presence_penalty=0.5) == [1, 2, 2.5, -1.5, -2, -3]


def test_frequency_counts_every_time() -> None:
    assert after([*PROMPT, 2, 2, 3], frequency_penalty=0.5) == [1, 2, 2, -1.5, -2, -3]


def test_presence_and_frequency_add_up() -> None:
    both = after([*PROMPT, 2, 2], frequency_penalty=0.5, presence_penalty=-1.0)
    assert both == [1, 2, 3, -1, -2, -3]


def test_nothing_was_said_yet() -> None:
    assert after(PROMPT, frequency_penalty=2.0, presence_penalty=2.0) == [1, 2, 3, -1, -2, -3]


def test_repetition_looks_at_the_prompt_too_and_at_signs() -> None:
    assert after([*PROMPT, 3, 3], repetition_penalty=2.0) == [0.5, 1, 3, -2, -2, -3]


def test_a_bias_is_added() -> None:
    assert after(PROMPT, logit_bias=((0, 100.0), (5, -100.0), (99, 3.0))) == [
        101, 2, 3, -1, -2, -103,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [mx.float16, mx.bfloat16, mx.float32])
def test_logits_keep_their_precision(kind: mx.Dtype) -> None:
    logits = mx.ones((1, VOCAB), dtype=kind)
    asked = Sampling(presence_penalty=1.0, repetition_penalty=1.1, logit_bias=((1, 2.0),))
    for process in penalties_of(asked, prompt_tokens=1, vocab_size=VOCAB):
        logits = process(mx.array([1, 2]), logits)
    assert logits.dtype == kind
