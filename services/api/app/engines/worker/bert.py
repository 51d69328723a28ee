"""Encoders of the BERT family in MLX: BERT, RoBERTa and XLM-RoBERTa.

Modules are named as Hugging Face's tensors are, so that weights load without a table of names.
"""

# mypy: allow-untyped-calls

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
from mlx.nn.layers.activations import gelu, gelu_approx, relu, silu
from mlx.nn.layers.base import Module
from mlx.nn.layers.embedding import Embedding
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.normalization import LayerNorm

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.engines.worker.backend import CannotLoad

_ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": gelu_approx,
    "gelu_pytorch_tanh": gelu_approx,
    "relu": relu,
    "silu": silu,
}
# Families that count positions from behind the padding token's id, and theirs alone.
_POSITIONS_AFTER_PAD = frozenset({"roberta", "xlm-roberta", "camembert"})
FAMILIES = frozenset({"bert", *_POSITIONS_AFTER_PAD})


@dataclass(frozen=True, slots=True)
class Shape:
    """What a configuration says of an encoder. `first_position` is that of the first token."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    token_types: int
    epsilon: float
    activation: str
    first_position: int
    roberta: bool

    @property
    def context(self) -> int:
        return self.positions - self.first_position

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Raises `CannotLoad`."""
        kind = config.get("position_embedding_type") or "absolute"
        if kind != "absolute":
            raise CannotLoad(f"Encoders with {kind} positions are not supported.")
        roberta = config.get("model_type") in _POSITIONS_AFTER_PAD
        shape = cls(
            vocab=_number(config, "vocab_size"),
            hidden=_number(config, "hidden_size"),
            layers=_number(config, "num_hidden_layers"),
            heads=_number(config, "num_attention_heads"),
            intermediate=_number(config, "intermediate_size"),
            positions=_number(config, "max_position_embeddings"),
            token_types=_number(config, "type_vocab_size", default=1 if roberta else 2),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            activation=str(config.get("hidden_act", "gelu")),
            first_position=_number(config, "pad_token_id", default=1, low=0) + 1 if roberta else 0,
            roberta=roberta,
        )
        if shape.hidden % shape.heads or shape.context < 1:
            raise CannotLoad("config.json: heads or positions make no sense together.")
        if shape.activation not in _ACTIVATIONS:
            raise CannotLoad(f"Encoders with the activation {shape.activation!r} are unknown here.")
        return shape


def _number(
    config: Mapping[str, Any], name: str, *, default: int | None = None, low: int = 1
) -> int:
    value = config.get(name)
    value = default if value is None else value
    if type(value) is not int or value < low:
        raise CannotLoad(f"config.json: {name} must be a whole number from {low}.")
    return value


class Embeddings(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.word_embeddings = Embedding(shape.vocab, shape.hidden)
        self.position_embeddings = Embedding(shape.positions, shape.hidden)
        self.token_type_embeddings = Embedding(shape.token_types, shape.hidden)
        self.LayerNorm = LayerNorm(shape.hidden, eps=shape.epsilon)
        self._first_position = shape.first_position

    def __call__(self, tokens: mx.array, types: mx.array) -> mx.array:
        positions = mx.arange(tokens.shape[1]) + self._first_position
        summed = (
            self.word_embeddings(tokens)
            + self.token_type_embeddings(types)
            + self.position_embeddings(positions)
        )
        out: mx.array = self.LayerNorm(summed)
        return out


class SelfAttention(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.query = Linear(shape.hidden, shape.hidden)
        self.key = Linear(shape.hidden, shape.hidden)
        self.value = Linear(shape.hidden, shape.hidden)
        self._heads = shape.heads

    def __call__(self, hidden: mx.array, mask: mx.array) -> mx.array:
        batch, length, width = hidden.shape
        queries, keys, values = (
            part(hidden).reshape(batch, length, self._heads, -1).transpose(0, 2, 1, 3)
            for part in (self.query, self.key, self.value)
        )
        attend = partial(
            mx.fast.scaled_dot_product_attention,
            k=keys,
            v=values,
            scale=(width // self._heads) ** -0.5,
            mask=mask,
        )
        return _in_blocks(attend, queries).transpose(0, 2, 1, 3).reshape(batch, length, width)


def _in_blocks(attend: Any, queries: mx.array) -> mx.array:
    """Scores are as wide as the text is long: at most a block of them exists at a time."""
    if queries.shape[2] <= PREFILL_CHUNK_TOKENS:
        whole: mx.array = attend(queries)
        return whole
    parts = []
    for first in range(0, queries.shape[2], PREFILL_CHUNK_TOKENS):
        parts.append(attend(queries[:, :, first : first + PREFILL_CHUNK_TOKENS]))
        mx.eval(parts[-1])
    return mx.concatenate(parts, axis=2)


class Output(Module):
    """Added to what came in, then normed: the order of the first transformers."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.dense = Linear(width, shape.hidden)
        self.LayerNorm = LayerNorm(shape.hidden, eps=shape.epsilon)

    def __call__(self, found: mx.array, hidden: mx.array) -> mx.array:
        out: mx.array = self.LayerNorm(self.dense(found) + hidden)
        return out


class Attention(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = Output(shape.hidden, shape)

    def __call__(self, hidden: mx.array, mask: mx.array) -> mx.array:
        out: mx.array = self.output(self.self(hidden, mask), hidden)
        return out


class Dense(Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.dense = Linear(width, out)

    def __call__(self, hidden: mx.array) -> mx.array:
        out: mx.array = self.dense(hidden)
        return out


class Layer(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Dense(shape.hidden, shape.intermediate)
        self.output = Output(shape.intermediate, shape)
        self._activation = _ACTIVATIONS[shape.activation]

    def __call__(self, hidden: mx.array, mask: mx.array) -> mx.array:
        hidden = self.attention(hidden, mask)
        out: mx.array = self.output(self._activation(self.intermediate(hidden)), hidden)
        return out


class Layers(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layer = [Layer(shape) for _ in range(shape.layers)]


class RobertaHead(Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.dense = Linear(shape.hidden, shape.hidden)
        self.out_proj = Linear(shape.hidden, 1)

    def __call__(self, first: mx.array) -> mx.array:
        out: mx.array = self.out_proj(mx.tanh(self.dense(first)))
        return out


class Encoder(Module):
    """An encoder; with `scores` it has the head of a cross-encoder with one label."""

    def __init__(self, shape: Shape, *, scores: bool) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Layers(shape)
        if scores and shape.roberta:
            self.classifier: Module = RobertaHead(shape)
        elif scores:
            self.pooler = Dense(shape.hidden, shape.hidden)
            self.classifier = Linear(shape.hidden, 1)

    def layers(self, tokens: mx.array, types: mx.array, mask: mx.array) -> Iterator[mx.array]:
        """Hidden states after each layer, (batch, length, hidden); the last ones are the result.

        `mask` is true where a token is, (batch, length).
        """
        hidden = self.embeddings(tokens, types)
        attended = mask[:, None, None, :]
        for layer in self.encoder.layer:
            hidden = layer(hidden, attended)
            yield hidden

    def score(self, hidden: mx.array) -> mx.array:
        """From the last hidden states one number for each text, before the sigmoid."""
        first = hidden[:, 0]
        if "pooler" in self:
            first = mx.tanh(self.pooler(first))
        out: mx.array = self.classifier(first)
        return out[:, 0]
