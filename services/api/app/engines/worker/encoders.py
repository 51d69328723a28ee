"""Encoder models: they give vectors of texts or rank documents, and generate nothing."""

# mypy: allow-untyped-calls

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn.layers.quantized import quantize

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.refusals import TaskNotSupported
from app.domain.work import Scores
from app.engines.protocol import Load
from app.engines.worker.backend import CannotLoad, Send, Steps
from app.engines.worker.bert import FAMILIES, Encoder, Shape
from app.engines.worker.embedding import Rows, embed, groups, padded
from app.engines.worker.encoder_prompts import EncoderLanguage, EncoderPrompts
from app.engines.worker.jobs import Jobs
from app.engines.worker.loading import CACHE_LIMIT_BYTES, read_config
from app.engines.worker.pooling import NotReadable, Pooling, pool, pooling_of

_CLASSIFIES = "ForSequenceClassification"
_PREFIXES = ("bert.", "roberta.")
_OTHER_HEADS = ("cls.", "lm_head.")
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def is_encoder(directory: Path) -> bool:
    """Whether the directory's config.json names a family of this module."""
    try:
        return str(read_config(directory).get("model_type")) in FAMILIES
    except CannotLoad:
        return False  # the loader of generating models says what is wrong


class LoadedEncoder:
    """An encoder in memory. Used by the model's own thread. `pooling` is None where it ranks."""

    def __init__(self, directory: Path) -> None:
        """Raises `CannotLoad`, or whatever MLX raises for files that lie."""
        config = read_config(directory)
        self.shape = Shape.of(config)
        weights = _weights(directory)
        scores = _ranks(config, weights)
        self.pooling = None if scores else _pooling(directory)
        self._encoder = Encoder(self.shape, scores=scores)
        wanted = {name: weight for name, weight in weights.items() if scores or not _head(name)}
        if quantization := config.get("quantization"):
            quantize(
                self._encoder,
                group_size=int(quantization["group_size"]),
                bits=int(quantization["bits"]),
                class_predicate=lambda path, _: f"{path}.scales" in wanted,
            )
        self._encoder.load_weights(list(wanted.items()))
        self._encoder.eval()
        mx.eval(self._encoder.parameters())

    def embed(self, inputs: Sequence[Sequence[int]], dimensions: int | None) -> Steps:
        """Raises `TaskNotSupported` or `PromptRejected`."""
        if self.pooling is None:
            raise TaskNotSupported(
                "This model ranks documents and gives no embeddings. Ask an embedding model.",
                param="model",
            )
        return embed(inputs, dimensions, self._pooled)

    def rank(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Steps:
        """Scores of texts with the kind of each token. Raises `TaskNotSupported`."""
        if self.pooling is not None:
            raise TaskNotSupported(
                "This model gives embeddings and ranks no documents. Ask a cross-encoder, such as "
                "a reranker of the BERT family.",
                param="model",
            )
        return self._ranked(pairs)

    def _pooled(self, inputs: list[Sequence[int]]) -> Rows:
        assert self.pooling is not None
        hidden = yield from self._read(inputs, [[0] * len(tokens) for tokens in inputs])
        return pool(hidden, [len(tokens) for tokens in inputs], self.pooling)

    def _ranked(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Steps:
        scores = [0.0] * len(pairs)
        lengths = tuple(len(tokens) for tokens, _ in pairs)
        for group in groups(lengths):
            tokens, types = zip(*(pairs[index] for index in group), strict=True)
            hidden = yield from self._read(tokens, types)
            found = mx.sigmoid(self._encoder.score(hidden).astype(mx.float32))
            values = np.array(found, dtype=np.float64)
            if not np.isfinite(values).all():
                raise ArithmeticError("a score is no number")
            for index, value in zip(group, values.tolist(), strict=True):
                scores[index] = value
            yield
        return Scores(tuple(scores), lengths)

    def _read(
        self, inputs: Sequence[Sequence[int]], types: Sequence[Sequence[int]]
    ) -> Generator[None, None, mx.array]:
        """The last hidden states. A long text takes a step for each layer."""
        tokens = padded(inputs)
        lengths = mx.array([len(one) for one in inputs])
        mask = mx.arange(tokens.shape[1])[None, :] < lengths[:, None]
        kinds = padded(types) if self.shape.token_types > 1 else mx.zeros_like(tokens)
        hidden = None
        for hidden in self._encoder.layers(tokens, kinds, mask):
            if tokens.size > PREFILL_CHUNK_TOKENS:
                mx.eval(hidden)
                yield
        assert hidden is not None
        mx.eval(hidden)
        return hidden


class EncoderBackend:
    """Implements `Backend`."""

    def __init__(self, spec: Load) -> None:
        directory = Path(spec.directory)
        mx.set_cache_limit(CACHE_LIMIT_BYTES)
        mx.set_memory_limit(spec.memory_limit_bytes)
        self._model = LoadedEncoder(directory)
        shape = self._model.shape
        self.vocab_size = shape.vocab
        language = EncoderLanguage.load(directory, vocab_size=shape.vocab)
        context = min(spec.context, shape.context)
        self.preparing = EncoderPrompts(language, self._model, context=context)

    def sing(self) -> None:
        """The canary: one text of two tokens whose numbers must be numbers."""
        tokens = [0, self.vocab_size - 1][: self._model.shape.context]
        ranks = self._model.pooling is None
        steps = self._model.rank([(tokens, [0] * len(tokens))]) if ranks else None
        try:
            for _ in steps or self._model.embed([tokens], None):
                pass
        except ArithmeticError as error:
            raise CannotLoad(
                "The model's canary produced numbers that are not numbers (NaN)."
            ) from error

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Jobs:  # noqa: ARG002 - protocol
        return Jobs(send)


def _weights(directory: Path) -> dict[str, mx.array]:
    """All tensors by the names that `Encoder` has for them; what no encoder uses is left out."""
    found: dict[str, mx.array] = {}
    for path in sorted(directory.glob("model*.safetensors")):
        loaded: Any = mx.load(str(path))
        found |= {_own_name(name): weight for name, weight in loaded.items()}
    if not found:
        raise CannotLoad("The model has no weights (model*.safetensors).")
    return {
        name: weight
        for name, weight in found.items()
        if not name.startswith(_OTHER_HEADS) and name != "embeddings.position_ids"
    }


def _own_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name


def _head(name: str) -> bool:
    return name.startswith(("pooler.", "classifier."))


def _ranks(config: Mapping[str, Any], weights: Mapping[str, mx.array]) -> bool:
    """Whether it is a cross-encoder. Raises `CannotLoad` for classifiers of any other kind."""
    last = weights.get("classifier.weight", weights.get("classifier.out_proj.weight"))
    if last is None:
        return False
    kinds = [str(kind) for kind in config.get("architectures") or []]
    if not any(kind.endswith(_CLASSIFIES) for kind in kinds) or last.shape[0] != 1:
        raise CannotLoad(
            "The model classifies texts. Of classifiers only rerankers can be used: sequence "
            "classification with one label."
        )
    return True


def _pooling(directory: Path) -> Pooling:
    try:
        return pooling_of(directory, default=Pooling.MEAN)
    except NotReadable as why:
        raise CannotLoad(f"The model's embeddings cannot be made here: {why}.") from why
