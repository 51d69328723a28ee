"""The same weights in both formats: the same tokens of a text, and the same greedy answers."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.generation import ChatPrompt, Sampling, TextPrompt
from app.domain.shapes import Format
from app.engines.protocol import VERSION, Generate, Load
from app.engines.worker.backend import Backend, Prepared
from app.engines.worker.loading import load
from app.engines.worker.mlx_backend import MlxBackend
from tests.gguf_models import STARTER, starter_gguf, tiny_gguf
from tests.models import tiny_model
from tests.workers import Asking, opened_gguf

QUESTIONS = Path(__file__).parents[3] / "starter" / "questions.yaml"
CONTEXT = 512


def spec(directory: Path, kind: Format) -> Load:
    return Load(VERSION, "tests/model", str(directory), CONTEXT, 4, 4 * 2**30, 0, kind)


@pytest.fixture(scope="module")
def starters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, Backend]]:
    converted = starter_gguf(tmp_path_factory.mktemp("gguf") / "starter")
    mlx = MlxBackend(spec(STARTER, Format.MLX))
    gguf = opened_gguf(spec(converted, Format.GGUF))
    for backend in (mlx, gguf):
        preparing: Any = backend.preparing
        preparing._chats._templates._time_limit_s = 30.0  # a busy machine changes no answer
    yield mlx, gguf
    mlx.preparing.close()
    gguf.preparing.close()


def questions() -> list[str]:
    """Every held-out question, on the subject and off it."""
    found = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    return [one["ask"] if isinstance(one, dict) else one for many in found.values() for one in many]


def asked(number: int, text: str, **sampling: Any) -> Generate:
    message = {"role": "user", "content": text}
    return Generate(number, ChatPrompt((message,)), Sampling(**sampling))


def prepared_by(backend: Backend, **sampling: Any) -> Callable[[int, str], Prepared]:
    return lambda number, text: backend.preparing.prepare(asked(number, text, **sampling))


def test_every_held_out_question_has_the_same_tokens(starters: tuple[Backend, Backend]) -> None:
    mlx, gguf = map(prepared_by, starters)
    for number, question in enumerate(questions()):
        assert gguf(number, question).tokens == mlx(number, question).tokens


def test_greedy_answers_are_the_same_token_by_token(starters: tuple[Backend, Backend]) -> None:
    few = questions()[::9]
    said = [
        Asking(backend)(*(asked(n, q, temperature=0.0, max_tokens=64) for n, q in enumerate(few)))
        for backend in starters
    ]
    mlx, gguf = ([(one.text, replace(one.finished, cached_tokens=0)) for one in a] for a in said)
    assert gguf == mlx
    assert len(set(gguf)) > len(few) // 2


def test_log_probabilities_are_nearly_the_same(starters: tuple[Backend, Backend]) -> None:
    question = asked(0, questions()[0], temperature=0.0, max_tokens=8, logprobs=3)
    mlx, gguf = (Asking(backend)(question)[0].logprobs for backend in starters)
    assert [entry.text for entry in gguf] == [entry.text for entry in mlx]
    assert [entry.logprob for entry in gguf] == pytest.approx(
        [entry.logprob for entry in mlx], abs=0.02
    )


def test_both_tell_the_token_that_ends_a_completion(starters: tuple[Backend, Backend]) -> None:
    (end,) = load(STARTER, memory_limit_bytes=2**30).encode("<|end|>", special=True)
    sampling = Sampling(temperature=0.0, max_tokens=1, logprobs=0, logit_bias=((end, 100.0),))
    for backend in starters:
        (said,) = Asking(backend)(Generate(0, TextPrompt("A grant is"), sampling))
        assert [(entry.token, entry.text) for entry in said.logprobs] == [(end, b"")]
        assert said.finished.completion_tokens == 0


def test_any_text_has_the_same_tokens(tmp_path: Path) -> None:
    draw = random.Random(5)
    letters = "etaoin shrdlu etaoin 0129 !?.,'\n\té漢🙂 <|im_end|>"
    mlx = load(tiny_model(tmp_path / "mlx"), memory_limit_bytes=2**30)
    directory = tiny_gguf(tmp_path / "gguf", chat_template=None)
    gguf = opened_gguf(spec(directory, Format.GGUF)).language
    for _ in range(300):
        text = "".join(draw.choice(letters) for _ in range(draw.randint(1, 40)))
        tokens = gguf.encode(text, special=False)
        assert tokens == mlx.encode(text, special=False)
        assert gguf.decode(tokens) == text
