"""Encoders against a reference in NumPy, and what they refuse."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.domain.generation import Prompt, Sampling, TextPrompt, TokenPrompt
from app.domain.refusals import ContextLengthExceeded, PromptRejected, TaskNotSupported
from app.domain.shapes import Format
from app.domain.work import Detokenize, Embed, Rerank, Scores, Tokenize, Vectors
from app.engines.protocol import Generate, Load
from app.engines.worker.backend import CannotLoad, Steps
from app.engines.worker.encoders import EncoderBackend, is_encoder
from app.engines.worker.mlx_backend import open_model
from tests.encoder_models import encoder_config, encoder_weights, tiny_bert, vocabulary
from tests.encoder_reference import Array, dense, reference_of, states, unit
from tests.models import tiny_model, write_safetensors


def opened(directory: Path, context: int = 64) -> Any:
    spec = Load(2, "m", str(directory), context, 2, 1 << 30, 0, Format.MLX)
    backend = open_model(spec)
    assert isinstance(backend, EncoderBackend)
    backend.sing()
    return backend.preparing


def done(steps: Steps) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def embed(preparing: Any, *inputs: Prompt, dimensions: int | None = None) -> list[Array]:
    found = done(preparing.steps(Embed(tuple(inputs), dimensions)))
    assert isinstance(found, Vectors)
    return [np.frombuffer(vector, "<f4") for vector in found.vectors]


TEXT = "the cat sat on the mat, rain?"
IDS = vocabulary()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("ranker"), ranks=True)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", [None, "mean", "cls"])
def test_a_vector_is_what_the_reference_computes(
    family: Any, pooling: str | None, tmp_path: Path
) -> None:
    directory = tiny_bert(tmp_path / "m", family=family, pooling=pooling)
    preparing = opened(directory)
    weights, config = reference_of(directory)
    tokens = list(preparing.tokens(Tokenize(TextPrompt(TEXT))).tokens)
    assert tokens[0] == IDS["[CLS]"]
    assert tokens[-1] == IDS["[SEP]"]
    hidden = states(weights, config, tokens, 0)
    expected = unit(hidden[0] if pooling == "cls" else hidden.mean(0))
    (found,) = embed(preparing, TextPrompt(TEXT))
    assert np.abs(found - expected).max() < 1e-5


def test_a_vector_is_the_same_alone_and_among_others(bert: Path) -> None:
    preparing = opened(bert)
    texts = [TextPrompt("rain " * n + "cat") for n in (0, 40, 3, 17, 1, 55, 2)]
    together = embed(preparing, *texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = embed(preparing, text)
        assert np.abs(alone - found).max() < 1e-4
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_a_text_longer_than_a_block_is_what_the_reference_computes(tmp_path: Path) -> None:
    directory = tiny_bert(tmp_path / "m", context=1300, layers=2)
    preparing = opened(directory, context=1300)
    weights, config = reference_of(directory)
    tokens = [4 + n * 7 % 90 for n in range(1201)]
    (found,) = embed(preparing, TokenPrompt(tuple(tokens)))
    expected = unit(states(weights, config, tokens, 0).mean(0))
    assert np.abs(found - expected).max() < 1e-5


def test_dimensions_are_cut_first_and_normed_again(bert: Path) -> None:
    preparing = opened(bert)
    (whole,) = embed(preparing, TextPrompt(TEXT))
    (cut,) = embed(preparing, TextPrompt(TEXT), dimensions=5)
    assert np.abs(cut - unit(whole[:5].astype(np.float64))).max() < 1e-6
    for wrong in (0, 33):
        with pytest.raises(PromptRejected, match="from 1 to 32"):
            embed(preparing, TextPrompt(TEXT), dimensions=wrong)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_a_score_is_what_the_reference_computes(family: Any, tmp_path: Path) -> None:
    directory = tiny_bert(tmp_path / "m", family=family, ranks=True)
    preparing = opened(directory)
    documents = ("the dog sat", "rain.", "the sun on the mat answer the query")
    found = done(preparing.steps(Rerank("query?", documents)))
    assert isinstance(found, Scores)
    weights, config = reference_of(directory, labels=1)
    query, roberta = [IDS["query"], IDS["?"]], family == "xlm-roberta"
    for document, score, count in zip(documents, found.scores, found.prompt_tokens, strict=True):
        words = list(preparing.tokens(Tokenize(TextPrompt(document), special=False)).tokens)
        tokens = [IDS["[CLS]"], *query, IDS["[SEP]"], *words, IDS["[SEP]"]]
        kinds = [0] * 4 + [0 if roberta else 1] * (len(words) + 1)
        first = states(weights, config, tokens, kinds)[0]
        name = "classifier.dense" if roberta else "pooler.dense"
        last = "classifier.out_proj" if roberta else "classifier"
        logit = dense(weights, last, np.tanh(dense(weights, name, first)))[0]
        assert abs(score - 1 / (1 + math.exp(-logit))) < 1e-5
        assert count == len(tokens)
    assert len(set(found.scores)) == 3


def test_a_model_is_asked_only_for_what_it_is_made_for(bert: Path, ranker: Path) -> None:
    with pytest.raises(TaskNotSupported, match="ranks no documents"):
        opened(bert).steps(Rerank("a", ("b",)))
    with pytest.raises(TaskNotSupported, match="gives no embeddings"):
        embed(opened(ranker), TextPrompt("a"))
    with pytest.raises(TaskNotSupported, match="encoder"):
        opened(bert).prepare(Generate(1, TextPrompt("a"), Sampling()))


@pytest.mark.parametrize(
    "prompt",
    [
        TokenPrompt(()),
        TokenPrompt((0, len(IDS))),
        TokenPrompt((-1,)),
        TokenPrompt((2**70,)),
        TextPrompt("\ud800 lone"),
    ],
)
def test_poison_is_refused_by_its_place(prompt: Prompt, bert: Path) -> None:
    with pytest.raises(PromptRejected) as caught:
        opened(bert).steps(Embed((TextPrompt("fine"), prompt), first=32))
    assert caught.value.param == "input[33]"


@pytest.mark.parametrize("text", ["\N{GRINNING FACE}" * 250_000, "cat " * 63])
def test_a_text_beyond_the_context_is_refused_by_its_place(text: str, bert: Path) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        opened(bert).steps(Embed((TextPrompt("fine"), TextPrompt(text))))
    assert caught.value.param == "input[1]"
    assert len(embed(opened(bert), TextPrompt("cat " * 62))) == 1


def test_the_context_ends_where_the_positions_do(tmp_path: Path) -> None:
    preparing = opened(tiny_bert(tmp_path / "m", family="xlm-roberta", context=64), context=66)
    embed(preparing, TokenPrompt((5,) * 64))
    with pytest.raises(ContextLengthExceeded):
        embed(preparing, TokenPrompt((5,) * 65))


@pytest.mark.parametrize("document", ["\ud800", "cat " * 70, "x" * 300_000])
def test_a_poison_document_is_refused_by_its_place(document: str, ranker: Path) -> None:
    with pytest.raises((PromptRejected, ContextLengthExceeded)) as caught:
        opened(ranker).steps(Rerank("query", ("fine", document)))
    assert caught.value.param == "documents[1]"


def test_control_tokens_in_a_text_are_only_text(bert: Path, ranker: Path) -> None:
    tokens = opened(bert).tokens(Tokenize(TextPrompt("cat [SEP] dog"), special=False)).tokens
    assert IDS["[SEP]"] not in tokens
    found = done(opened(ranker).steps(Rerank("cat", ("x [SEP] y", "x y"))))
    assert found.prompt_tokens[0] > found.prompt_tokens[1] + 1


def test_tokens_have_their_bytes_and_go_back_to_text(bert: Path) -> None:
    preparing = opened(bert)
    found = preparing.tokens(Tokenize(TextPrompt("the cats"), special=True))
    assert b"".join(found.texts) == b"[CLS]thecats[SEP]"
    back = preparing.text(Detokenize(found.tokens)).text
    assert back.split() == ["[CLS]", "the", "cats", "[SEP]"]


@pytest.mark.parametrize("ranks", [False, True])
def test_a_quantized_encoder_is_near_the_whole_one(ranks: bool, tmp_path: Path) -> None:
    whole = opened(tiny_bert(tmp_path / "whole", ranks=ranks))
    made = tiny_bert(tmp_path / "m", ranks=ranks)
    found: dict[str, Any] = {}
    for name, weight in mx.load(str(made / "model.safetensors")).items():  # type: ignore[union-attr]
        if name.endswith(".weight") and weight.ndim == 2 and "embeddings" not in name:
            parts = mx.quantize(weight, group_size=32, bits=8)
            endings = (".weight", ".scales", ".biases")
            for ending, part in zip(endings, parts, strict=True):
                found[name.removesuffix(".weight") + ending] = part
        else:
            found[name] = weight
    mx.save_safetensors(str(made / "model.safetensors"), found)
    config = json.loads((made / "config.json").read_text())
    config["quantization"] = {"group_size": 32, "bits": 8}
    (made / "config.json").write_text(json.dumps(config))
    if ranks:
        asked = Rerank("query", ("the cat", "rain"))
        near, exact = (done(one.steps(asked)).scores for one in (opened(made), whole))
    else:
        near, exact = (embed(one, TextPrompt(TEXT))[0] for one in (opened(made), whole))
    assert 0 < np.abs(np.array(near) - np.array(exact)).max() < 0.02


def test_tensors_under_their_old_names_are_found(tmp_path: Path) -> None:
    made = tiny_bert(tmp_path / "m")
    (before,) = embed(opened(made), TextPrompt(TEXT))
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {}
    for name, weight in encoder_weights(reference_of(made)[1], 0).items():
        ending = ".".join(name.split(".")[-2:])
        weights["bert." + name.removesuffix(ending) + old.get(ending, ending)] = weight
    weights["embeddings.position_ids"] = np.zeros((1, 64), np.float32)
    weights["cls.predictions.bias"] = np.zeros(3, np.float32)
    write_safetensors(made / "model.safetensors", weights)
    (after,) = embed(opened(made), TextPrompt(TEXT))
    assert np.array_equal(before, after)


def broken(change: Callable[[Path, dict[str, Any]], None], directory: Path) -> Path:
    made = tiny_bert(directory / "m", pooling="mean")
    config = json.loads((made / "config.json").read_text())
    change(made, config)
    (made / "config.json").write_text(json.dumps(config))
    return made


BROKEN: dict[str, tuple[Callable[[Path, dict[str, Any]], object], str]] = {
    "relative positions": (
        lambda _, config: config.update(position_embedding_type="relative_key"),
        "positions",
    ),
    "heads": (lambda _, config: config.update(num_attention_heads=5), "make no sense"),
    "activation": (lambda _, config: config.update(hidden_act="mish"), "activation"),
    "no tokenizer": (lambda made, _: (made / "tokenizer.json").unlink(), "tokenizer.json"),
    "no weights": (lambda made, _: (made / "model.safetensors").unlink(), "no weights"),
    "no pooling": (
        lambda made, _: (made / "1_Pooling/config.json").unlink(),
        "1_Pooling/config.json, which is no part of what was taken in",
    ),
    "max pooling": (
        lambda made, _: (made / "1_Pooling/config.json").write_text(
            '{"pooling_mode_max_tokens": true}'
        ),
        "pooling is not supported",
    ),
    "a step more": (
        lambda made, _: (made / "modules.json").write_text(
            '[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]'
        ),
        "not supported",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_cannot_be_computed_rightly_is_not_loaded(fault: str, tmp_path: Path) -> None:
    change, words = BROKEN[fault]
    with pytest.raises(CannotLoad, match=words):
        opened(broken(change, tmp_path))  # type: ignore[arg-type]


def test_a_classifier_of_two_labels_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="one label"):
        opened(tiny_bert(tmp_path / "m", ranks=True, labels=2))


def test_weights_that_lack_a_layer_are_not_loaded(tmp_path: Path) -> None:
    made = tiny_bert(tmp_path / "m", layers=1)
    config = encoder_config("bert", hidden=32, layers=2, context=64, ranks=False)
    config["vocab_size"] = len(IDS)
    (made / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="Missing"):
        opened(made)


def test_not_a_number_in_the_weights_is_found_at_load(tmp_path: Path) -> None:
    made = tiny_bert(tmp_path / "m", ranks=True)
    path = made / "model.safetensors"
    kept = path.read_bytes()
    path.write_bytes(kept[:-4] + np.float32("nan").tobytes())
    with pytest.raises(CannotLoad, match="NaN"):
        opened(made)


def test_a_decoder_is_no_encoder(tmp_path: Path, bert: Path) -> None:
    assert is_encoder(bert)
    assert not is_encoder(tiny_model(tmp_path / "m"))
    assert not is_encoder(tmp_path)
