"""Vectors of texts, in steps that are small enough for sequences to go on between them.

Any decoder can give them: the states that its output matrix reads. They are worth as much as the
model was trained for it.
"""

# mypy: allow-untyped-calls

import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.quantized import QuantizedLinear
from mlx_lm.models.cache import make_prompt_cache

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.refusals import PromptRejected, TaskNotSupported
from app.domain.work import Vectors
from app.engines.worker.backend import Steps
from app.engines.worker.pooling import NotReadable, Pooling, packed, pool, pooling_of

Rows = Generator[None, None, mx.array]
"""Reads some inputs in steps and returns a row of float32 for each."""

# At most so many inputs are read together: each may need room of its own besides its tokens.
INPUTS_AT_ONCE = 32
_BODIES = ("model", "transformer", "backbone")
_BOTH_WAYS = ("use_bidirectional_attention", "use_bidirectional_attn", "bidirectional")


def groups(lengths: Sequence[int]) -> list[list[int]]:
    """Which inputs are read together, the longest last: padded, a chunk of tokens at most."""
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        together = len(found[-1]) + 1 if found else 0
        fits = together * lengths[index] <= PREFILL_CHUNK_TOKENS
        if found and fits and together <= INPUTS_AT_ONCE:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def padded(inputs: Sequence[Sequence[int]], *, filler: int = 0) -> mx.array:
    longest = max(map(len, inputs))
    return mx.array([[*tokens, *[filler] * (longest - len(tokens))] for tokens in inputs])


def embed(
    inputs: Sequence[Sequence[int]],
    dimensions: int | None,
    rows_of: Callable[[list[Sequence[int]]], Rows],
) -> Steps:
    """One vector for each input. Raises `PromptRejected` for more dimensions than there are."""
    vectors = [b""] * len(inputs)
    for group in groups([len(tokens) for tokens in inputs]):
        rows = yield from rows_of([inputs[index] for index in group])
        check_dimensions(dimensions, rows.shape[1])
        for index, vector in zip(group, packed(rows, dimensions), strict=True):
            vectors[index] = vector
        yield
    return Vectors(tuple(vectors), tuple(len(tokens) for tokens in inputs))


def check_dimensions(dimensions: int | None, width: int) -> None:
    if dimensions is not None and not 1 <= dimensions <= width:
        raise PromptRejected(
            f"dimensions must be from 1 to {width} for this model, not {dimensions}.",
            param="dimensions",
        )


class Decoder:
    """A generating model as one that gives vectors. Used by the model's own thread."""

    def __init__(self, model: Any, directory: Path) -> None:
        self._model = model
        self._directory = directory
        self._known: tuple[Any, Pooling] | None = None

    def embed(self, inputs: Sequence[Sequence[int]], dimensions: int | None) -> Steps:
        """Raises `TaskNotSupported` or `PromptRejected`."""
        return embed(inputs, dimensions, self._rows)

    def _rows(self, inputs: list[Sequence[int]]) -> Rows:
        if self._known is None:
            self._known = body_of(self._model), _pooling(self._directory)
        body, pooling = self._known
        if len(inputs) == 1 and len(inputs[0]) > PREFILL_CHUNK_TOKENS:
            row = yield from self._long(body, pooling, inputs[0])
            return row
        # Padding comes behind the text, where a decoder never looks.
        rows = pool(body(padded(inputs)), [len(tokens) for tokens in inputs], pooling)
        mx.eval(rows)
        return rows

    def _long(self, body: Any, pooling: Pooling, tokens: Sequence[int]) -> Rows:
        """In chunks, as prompts are read: memory grows with the text and not with its square."""
        cache = make_prompt_cache(self._model)
        found = None
        for first in range(0, len(tokens), PREFILL_CHUNK_TOKENS):
            chunk = tokens[first : first + PREFILL_CHUNK_TOKENS]
            part = pool(body(mx.array([chunk]), cache=cache), [len(chunk)], pooling)
            if found is None or pooling is Pooling.LAST:
                found = part * len(chunk) if pooling is Pooling.MEAN else part
            elif pooling is Pooling.MEAN:
                found = found + part * len(chunk)
            mx.eval(found, [entry.state for entry in cache])
            yield
        assert found is not None  # an input is never empty
        return found / len(tokens) if pooling is Pooling.MEAN else found


def body_of(model: Any) -> Any:
    """The part of `model` whose result its output matrix reads. Raises `TaskNotSupported`.

    Names alone prove nothing: what the part returns, put through the matrix, must choose the same
    tokens as the model does.
    """
    outer = getattr(model, "language_model", model)
    tokens = mx.array([[0, 1, 2, 1]])
    best = mx.argmax(model(tokens), axis=-1)
    for name in _BODIES:
        body = getattr(outer, name, None)
        if isinstance(body, Module) and _is_read(outer, body, tokens, best):
            return body
    raise TaskNotSupported("This model's architecture gives no embeddings here.", param="model")


def _is_read(outer: Module, body: Module, tokens: mx.array, best: mx.array) -> bool:
    try:
        hidden = body(tokens)
        if not isinstance(hidden, mx.array) or hidden.shape[:2] != tokens.shape:
            return False
        return any(_chooses(head, hidden, best) for head in _heads(outer, body))
    except (TypeError, ValueError, AttributeError, IndexError):
        return False  # a part that has to be asked in another way


def _heads(outer: Module, body: Module) -> list[Callable[[mx.array], mx.array]]:
    linear: list[Any] = [
        part for part in outer.children().values() if isinstance(part, Linear | QuantizedLinear)
    ]
    tied = [part for part in body.children().values() if hasattr(part, "as_linear")]
    return [*linear, *(part.as_linear for part in tied)]


def _chooses(head: Callable[[mx.array], mx.array], hidden: mx.array, best: mx.array) -> bool:
    try:
        return bool((mx.argmax(head(hidden), axis=-1) == best).all().item())
    except ValueError:  # a matrix of another width
        return False


def _pooling(directory: Path) -> Pooling:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        if any(config.get(name) for name in _BOTH_WAYS) or config.get("is_causal") is False:
            raise NotReadable("it reads texts in both directions, which decoders here do not")
        return pooling_of(directory, default=Pooling.LAST)
    except NotReadable as why:
        raise TaskNotSupported(
            f"This model gives no embeddings here: {why}.", param="model"
        ) from why
