"""Vectors of decoders: the states that their output matrix reads, pooled, whatever the length."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

from app.domain.refusals import PromptRejected, TaskNotSupported
from app.domain.work import Vectors
from app.engines.worker.embedding import Decoder, body_of, groups
from app.engines.worker.loading import load
from app.engines.worker.pooling import NotReadable, Pooling, packed, pool, pooling_of
from tests.models import tiny_model, write_safetensors


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("m") / "m", context=4096)


@pytest.fixture(scope="module")
def model(directory: Path) -> Any:
    return load(directory, memory_limit_bytes=1 << 30).model


def vectors(decoder: Decoder, *inputs: list[int], dimensions: int | None = None) -> Any:
    """And how many steps it took."""
    steps, taken = decoder.embed(inputs, dimensions), 0
    found = None
    while found is None:
        try:
            next(steps)
            taken += 1
        except StopIteration as end:
            found = end.value
    assert isinstance(found, Vectors)
    assert found.prompt_tokens == tuple(map(len, inputs))
    return [np.frombuffer(vector, "<f4") for vector in found.vectors], taken


def some(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, 300, length).tolist()


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def with_pooling(source: Path, made: Path, way: str) -> Path:
    made.mkdir()
    (made / "config.json").write_bytes((source / "config.json").read_bytes())
    (made / "1_Pooling").mkdir()
    (made / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{way}": True}))
    return made


@pytest.mark.parametrize("length", [1, 7, 512, 513, 1500])
def test_a_vector_is_the_last_state_that_the_output_matrix_reads(
    length: int, model: Any, directory: Path
) -> None:
    tokens = some(length)
    ((found,), _) = vectors(Decoder(model, directory), tokens)
    state = np.array(model.model(mx.array([tokens])))[0, -1]
    assert np.abs(found - unit(state)).max() < 1e-4
    assert abs(np.linalg.norm(found) - 1) < 1e-6


@pytest.mark.parametrize("length", [5, 1500])
def test_the_models_own_way_of_pooling_is_used(
    length: int, model: Any, directory: Path, tmp_path: Path
) -> None:
    tokens = some(length)
    states = np.array(model.model(mx.array([tokens])))[0]
    for way, expected in (("mean_tokens", states.mean(0)), ("cls_token", states[0])):
        described = with_pooling(directory, tmp_path / way, way)
        ((found,), _) = vectors(Decoder(model, described), tokens)
        assert np.abs(found - unit(expected)).max() < 1e-4


def test_a_vector_is_the_same_alone_and_among_others(model: Any, directory: Path) -> None:
    decoder = Decoder(model, directory)
    inputs = [some(length, length) for length in (9, 700, 1, 30, 30, 512, 3, 100)]
    together, _ = vectors(decoder, *inputs)
    for tokens, found in zip(inputs, together, strict=True):
        ((alone,), _) = vectors(decoder, tokens)
        assert np.abs(alone - found).max() < 1e-4
    assert np.abs(together[3] - together[0]).max() > 1e-3


def test_others_may_go_on_between_the_steps(model: Any, directory: Path) -> None:
    _, taken = vectors(Decoder(model, directory), some(1500), some(400), some(400))
    assert taken >= 5  # three chunks, and each input by itself


def test_more_dimensions_than_there_are_is_refused(model: Any, directory: Path) -> None:
    decoder = Decoder(model, directory)
    ((cut,), _) = vectors(decoder, some(9), dimensions=3)
    ((whole,), _) = vectors(decoder, some(9), dimensions=64)
    assert np.abs(cut - unit(whole[:3].astype(np.float64))).max() < 1e-6
    with pytest.raises(PromptRejected, match="1 to 64"):
        vectors(decoder, some(9), dimensions=65)


def test_a_model_whose_states_cannot_be_told_is_refused(model: Any, directory: Path) -> None:
    class Odd(nn.Module):
        """Its `model` is not what the output matrix reads."""

        def __init__(self) -> None:
            super().__init__()
            self.model, self.lm_head = model.model, model.lm_head

        def __call__(self, tokens: mx.array) -> mx.array:
            return self.lm_head(-self.model(tokens))

    assert body_of(model) is model.model
    with pytest.raises(TaskNotSupported):
        body_of(Odd())


@pytest.mark.parametrize("tied", [True, False])
def test_a_body_saved_without_its_output_matrix_gives_the_same_vectors(
    tied: bool, model: Any, directory: Path, tmp_path: Path
) -> None:
    made = tiny_model(tmp_path / "m", context=4096)
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": tied}))
    saved: Any = mx.load(str(made / "model.safetensors"))
    body = {n.removeprefix("model."): np.array(w) for n, w in saved.items() if "lm_head" not in n}
    write_safetensors(made / "model.safetensors", body)
    loaded = load(made, memory_limit_bytes=1 << 30).model
    ((expected,), _) = vectors(Decoder(model, directory), some(40))
    ((found,), _) = vectors(Decoder(loaded, made), some(40))
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("field", ["use_bidirectional_attention", "is_causal"])
def test_a_model_that_reads_both_ways_is_refused(
    field: str, model: Any, directory: Path, tmp_path: Path
) -> None:
    config = json.loads((directory / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, field: field != "is_causal"}))
    with pytest.raises(TaskNotSupported, match="both directions"):
        vectors(Decoder(model, tmp_path), [1, 2])


def test_groups_hold_every_input_once_and_no_more_than_a_chunk() -> None:
    lengths = np.random.default_rng(1).integers(1, 700, 200).tolist()
    found = groups(lengths)
    assert sorted(index for group in found for index in group) == list(range(200))
    for group in found:
        padded = len(group) * max(lengths[index] for index in group)
        assert len(group) == 1 or padded <= 512
    assert len(groups([1] * 100)) == 4


@pytest.mark.parametrize("way", list(Pooling))
def test_padding_does_not_count(way: Pooling) -> None:
    hidden = np.random.default_rng(0).standard_normal((1, 5, 4)).astype(np.float32)
    spoiled = hidden.copy()
    spoiled[0, 3:] = np.nan
    whole = np.array(pool(mx.array(hidden[:, :3]), [3], way))
    assert np.array_equal(np.array(pool(mx.array(spoiled), [3], way)), whole)


def test_a_vector_that_is_no_number_is_never_sent() -> None:
    with pytest.raises(ArithmeticError):
        packed(mx.array([[1.0, float("nan")]]), None)
    assert packed(mx.zeros((1, 2)), None) == [bytes(8)]


def test_pooling_is_read_from_a_flat_store_too(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Pooling"}]')
    with pytest.raises(NotReadable, match="import or pull the model again"):
        pooling_of(tmp_path, default=Pooling.MEAN)
    (tmp_path / "pooling.json").write_text('{"pooling_mode_cls_token": true}')
    assert pooling_of(tmp_path, default=Pooling.MEAN) is Pooling.CLS


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling.CLS),
        ({"pooling_mode": "lasttoken"}, Pooling.LAST),
        ({"pooling_mode": ["mean"]}, Pooling.MEAN),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, None),
        ({"pooling_mode_weightedmean_tokens": True}, None),
        ([], None),
    ],
)
def test_pooling_is_read_as_sentence_transformers_write_it(
    config: Any, expected: Pooling | None, tmp_path: Path
) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    if expected is not None:
        assert pooling_of(tmp_path, default=Pooling.MEAN) is expected
        return
    with pytest.raises(NotReadable):
        pooling_of(tmp_path, default=Pooling.MEAN)
