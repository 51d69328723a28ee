"""Tiny random encoders for tests: BERT and XLM-RoBERTa shapes with a WordPiece tokenizer.

Nothing here imports MLX. The same seed gives the same weights on every machine.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tests.models import write_safetensors

Family = Literal["bert", "xlm-roberta"]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!"
WORDS = ("the", "cat", "sat", "on", "mat", "dog", "query", "answer", "rain", "sun")


def tiny_bert(
    directory: Path,
    *,
    family: Family = "bert",
    ranks: bool = False,
    hidden: int = 32,
    layers: int = 2,
    context: int = 64,
    seed: int = 0,
    labels: int = 1,
    heads: int = 4,
    intermediate: int | None = None,
    pooling: str | None = None,
) -> Path:
    """Write an encoder to `directory`; with `ranks` a cross-encoder. `pooling`: mean or cls."""
    directory.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary()
    config = encoder_config(family, hidden=hidden, layers=layers, context=context, ranks=ranks)
    config["vocab_size"], config["num_attention_heads"] = len(tokens), heads
    config["intermediate_size"] = intermediate or config["intermediate_size"]
    _write(directory / "config.json", config)
    _write(directory / "tokenizer.json", _tokenizer(tokens))
    _write(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context},
    )
    if pooling is not None:
        modules = ("Transformer", "Pooling", "Normalize")
        _write(
            directory / "modules.json",
            [
                {"idx": n, "path": f"{n}_{kind}", "type": f"sentence_transformers.models.{kind}"}
                for n, kind in enumerate(modules)
            ],
        )
        (directory / "1_Pooling").mkdir(exist_ok=True)
        modes = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
        _write(
            directory / "1_Pooling" / "config.json",
            {name: way == pooling for way, name in modes.items()},
        )
    write_safetensors(
        directory / "model.safetensors", encoder_weights(config, seed, labels if ranks else 0)
    )
    return directory


def vocabulary() -> dict[str, int]:
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
    return {piece: number for number, piece in enumerate(pieces)}


def encoder_config(
    family: Family, *, hidden: int, layers: int, context: int, ranks: bool
) -> dict[str, Any]:
    roberta = family == "xlm-roberta"
    name = "XLMRoberta" if roberta else "Bert"
    return {
        "architectures": [f"{name}{'ForSequenceClassification' if ranks else 'Model'}"],
        "model_type": family,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": hidden * 2,
        "hidden_act": "gelu",
        "max_position_embeddings": context + (2 if roberta else 0),
        "type_vocab_size": 1 if roberta else 2,
        "layer_norm_eps": 1e-5 if roberta else 1e-12,
        "pad_token_id": 1 if roberta else 0,
        "torch_dtype": "float32",
    }


def encoder_weights(config: dict[str, Any], seed: int, labels: int = 0) -> dict[str, np.ndarray]:
    """Under Hugging Face's names; with `labels` as a sequence classifier has them."""
    random = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    roberta = config["model_type"] == "xlm-roberta"
    found: dict[str, np.ndarray] = {}

    def matrix(name: str, *shape: int, scale: float = 0.3) -> None:
        found[name] = (random.standard_normal(shape) * scale).astype(np.float32)

    def linear(name: str, rows: int, columns: int) -> None:
        matrix(f"{name}.weight", rows, columns)
        matrix(f"{name}.bias", rows, scale=0.1)

    def norm(name: str) -> None:
        matrix(f"{name}.weight", hidden, scale=0.1)
        found[f"{name}.weight"] += 1
        matrix(f"{name}.bias", hidden, scale=0.1)

    matrix("embeddings.word_embeddings.weight", config["vocab_size"], hidden, scale=1)
    matrix("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    matrix("embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    norm("embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{at}.attention.self.{part}", hidden, hidden)
        linear(f"{at}.attention.output.dense", hidden, hidden)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", inner, hidden)
        linear(f"{at}.output.dense", hidden, inner)
        norm(f"{at}.output.LayerNorm")
    if not (labels and roberta):
        linear("pooler.dense", hidden, hidden)
    if not labels:
        return found
    prefix = "roberta." if roberta else "bert."
    found = {prefix + name: weight for name, weight in found.items()}
    if roberta:
        linear("classifier.dense", hidden, hidden)
        linear("classifier.out_proj", labels, hidden)
    else:
        linear("classifier", labels, hidden)
    return found


def _tokenizer(tokens: dict[str, int]) -> dict[str, Any]:
    def special(name: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": 0}}

    def sequence(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special("[CLS]"), sequence("A", 0), special("[SEP]")]
    second = [sequence("B", 1), {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": 8,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": [
            {
                "id": tokens[name],
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for name in SPECIAL
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, *second],
            "special_tokens": {
                name: {"id": name, "ids": [tokens[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": tokens,
        },
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
