"""What an encoder computes, written anew in NumPy: one text, no batch, float64."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.encoder_models import encoder_weights

Array = np.ndarray
_erf = np.vectorize(math.erf)


def states(w: dict[str, Array], config: dict[str, Any], tokens: list[int], kinds: Any) -> Array:
    first = config["pad_token_id"] + 1 if config["model_type"] == "xlm-roberta" else 0
    places = np.arange(len(tokens)) + first
    h = (
        w["embeddings.word_embeddings.weight"][tokens]
        + w["embeddings.position_embeddings.weight"][places]
        + w["embeddings.token_type_embeddings.weight"][kinds]
    )
    h = normed(w, "embeddings.LayerNorm", h, config)
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        mixed = attention(w, f"{at}.attention.self", h, config["num_attention_heads"])
        mixed = dense(w, f"{at}.attention.output.dense", mixed)
        h = normed(w, f"{at}.attention.output.LayerNorm", h + mixed, config)
        wide = dense(w, f"{at}.intermediate.dense", h)
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        h = normed(w, f"{at}.output.LayerNorm", h + dense(w, f"{at}.output.dense", wide), config)
    return h


def dense(w: dict[str, Array], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def normed(w: dict[str, Array], name: str, x: Array, config: dict[str, Any]) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def attention(w: dict[str, Array], name: str, x: Array, heads: int) -> Array:
    out = []
    q, k, v = (dense(w, f"{name}.{part}", x) for part in ("query", "key", "value"))
    size = x.shape[1] // heads
    for head in range(heads):
        cut = slice(head * size, (head + 1) * size)
        scores = np.exp(q[:, cut] @ k[:, cut].T / math.sqrt(size))
        out.append(scores / scores.sum(-1, keepdims=True) @ v[:, cut])
    return np.concatenate(out, axis=1)


def unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def reference_of(directory: Path, labels: int = 0) -> tuple[dict[str, Array], dict[str, Any]]:
    config = json.loads((directory / "config.json").read_text())
    weights = {
        name.removeprefix("bert.").removeprefix("roberta."): weight.astype(np.float64)
        for name, weight in encoder_weights(config, 0, labels).items()
    }
    return weights, config
