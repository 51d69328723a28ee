"""An embedding model in GGUF gives the vectors that the MLX engine gives of the same weights."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from app.domain.generation import Prompt, Sampling, TextPrompt, TokenPrompt
from app.domain.refusals import ContextLengthExceeded, PromptRejected, TaskNotSupported
from app.domain.shapes import Format
from app.domain.work import Embed, Rerank
from app.engines.protocol import VERSION, Generate, Load
from app.engines.worker.backend import CannotLoad
from app.engines.worker.embedding import body_of
from app.engines.worker.gguf.backend import open_model
from app.engines.worker.loading import load
from app.engines.worker.pooling import Pooling, pool
from tests.gguf_models import tiny_gguf
from tests.models import tiny_model

TEXTS = ("the cat sat on the mat", "rain", "a much longer text about nothing " * 4)
WAYS = {
    gguf.PoolingType.MEAN: Pooling.MEAN,
    gguf.PoolingType.CLS: Pooling.CLS,
    gguf.PoolingType.LAST: Pooling.LAST,
}


def opened(directory: Path) -> Any:
    return open_model(Load(VERSION, "m", str(directory), 256, 1, 2**32, 0, Format.GGUF))


def rows(backend: Any, *inputs: Prompt, dimensions: int | None = None) -> np.ndarray:
    steps = backend.preparing.steps(Embed(inputs, dimensions))
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return np.stack([np.frombuffer(v, dtype="<f4") for v in done.value.vectors])


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("gguf") / "m"
    tiny_gguf(directory, pooling=gguf.PoolingType.MEAN, chat_template=None)
    return opened(directory)


@pytest.mark.parametrize("way", WAYS)
def test_vectors_are_those_of_the_other_engine(tmp_path: Path, way: gguf.PoolingType) -> None:
    import mlx.core as mx

    backend = opened(tiny_gguf(tmp_path / "gguf", pooling=way, chat_template=None))
    backend.sing()
    model = load(tiny_model(tmp_path / "mlx"), memory_limit_bytes=2**30)
    body = body_of(model.model)
    for text, row in zip(TEXTS, rows(backend, *map(TextPrompt, TEXTS)), strict=True):
        tokens = model.encode(text, special=True)
        expected = np.array(pool(body(mx.array([tokens])), [len(tokens)], WAYS[way]))[0]
        assert row @ (expected / np.linalg.norm(expected)) == pytest.approx(1.0, abs=1e-3)


def test_vectors_are_of_length_one_also_when_cut(mean: Any) -> None:
    whole = rows(mean, *map(TextPrompt, TEXTS))
    cut = rows(mean, *map(TextPrompt, TEXTS), dimensions=8)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(1.0)
    assert np.linalg.norm(cut, axis=1) == pytest.approx(1.0)
    assert cut.shape == (3, 8)
    scaled = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    assert cut == pytest.approx(scaled, abs=1e-5)


def test_a_vector_is_the_same_alone_and_after_others(mean: Any) -> None:
    together = rows(mean, *map(TextPrompt, TEXTS))
    alone = np.concatenate([rows(mean, TextPrompt(text)) for text in reversed(TEXTS)])
    assert together == pytest.approx(alone[::-1], abs=1e-6)


def test_what_it_cannot_do_is_refused(mean: Any) -> None:
    with pytest.raises(TaskNotSupported):
        mean.preparing.prepare(Generate(1, TextPrompt("hello"), Sampling()))
    with pytest.raises(TaskNotSupported):
        mean.preparing.steps(Rerank("a", ("b",)))
    for dimensions in (0, 65):
        with pytest.raises(PromptRejected):
            rows(mean, TextPrompt("a"), dimensions=dimensions)
    with pytest.raises(ContextLengthExceeded):
        rows(mean, TokenPrompt((65,) * 257))
    with pytest.raises(PromptRejected):
        rows(mean, TokenPrompt((99999,)))
    assert rows(mean, TokenPrompt((65,) * 256)).shape == (1, 64)


def test_a_generating_model_gives_no_embeddings(tmp_path: Path) -> None:
    backend = opened(tiny_gguf(tmp_path / "m", chat_template=None))
    with pytest.raises(TaskNotSupported):
        rows(backend, TextPrompt("a"))


def test_a_reranker_is_refused_at_load(tmp_path: Path) -> None:
    directory = tiny_gguf(tmp_path / "m", pooling=gguf.PoolingType.RANK, chat_template=None)
    with pytest.raises(CannotLoad, match="ranks documents"):
        opened(directory)
