"""Embedding models in GGUF: texts in, one vector each out; they generate nothing.

The file says how a text's tokens become one vector (`pooling_type`). A text is read in one piece,
as models that look both ways have to, so the context is also the most tokens of one step.
"""

import ctypes
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from app.domain.refusals import PromptRejected, TaskNotSupported
from app.domain.work import Detokenize, Embed, Rerank, Text, Tokenize, Tokens, Vectors
from app.engines.protocol import Generate, Load
from app.engines.worker.backend import CannotLoad, Loop, Prepared, Send, Steps
from app.engines.worker.gguf.decoder import Buffers, Feed
from app.engines.worker.gguf.language import GgufLanguage
from app.engines.worker.gguf.library import Library
from app.engines.worker.gguf.threads import cores
from app.engines.worker.gguf.weights import Weights
from app.engines.worker.jobs import Jobs
from app.engines.worker.prompts import Prompts

Vector = NDArray[np.float32]


class Pooling(IntEnum):
    """llama.cpp's numbers."""

    NONE = 0
    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


def pooling_of(weights: Weights) -> Pooling:
    """What the file says; none where it says nothing. Raises `CannotLoad`."""
    said = weights.meta(f"{weights.architecture}.pooling_type") or "0"
    try:
        return Pooling(int(said))
    except ValueError as error:
        raise CannotLoad(f"The file's pooling_type {said[:20]!r} is not known here.") from error


class Reader:
    """A context of llama.cpp that reads texts whole. Used by the model's own thread."""

    def __init__(
        self, library: Library, weights: Weights, pooling: Pooling, *, context: int
    ) -> None:
        self._call = library.call
        self.width = int(self._call.llama_model_n_embd_out(weights.pointer))
        params = self._call.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_seq_max, params.n_outputs_max_per_seq = 1, 0
        params.n_threads = params.n_threads_batch = max(1, cores() - 1)
        params.pooling_type, params.embeddings = int(pooling), True
        library.complaints.clear()
        made = self._call.llama_init_from_model(weights.pointer, params)
        if not made:
            said = library.complaints[0] if library.complaints else "no reason was given"
            raise CannotLoad(f"llama.cpp made no context of {context} tokens: {said}")
        self._context = int(made)
        self._memory = self._call.llama_get_memory(made)
        self._buffers = Buffers(context, 1)

    def embed(self, inputs: Sequence[Sequence[int]], dimensions: int | None) -> Steps:
        """One vector of length 1 for each input. Raises `PromptRejected`."""
        if dimensions is not None and not 1 <= dimensions <= self.width:
            raise PromptRejected(
                f"dimensions must be from 1 to {self.width} for this model, not {dimensions}.",
                param="dimensions",
            )
        return self._embed(inputs, dimensions)

    def vector_of(self, tokens: Sequence[int]) -> Vector:
        """As the model gives it. Raises `RuntimeError`."""
        if self._memory is not None:
            self._call.llama_memory_clear(self._memory, True)
        self._buffers.fill([Feed(0, tokens, 0, len(tokens))])
        code = self._call.llama_decode(self._context, self._buffers.whole)
        address = self._call.llama_get_embeddings_seq(self._context, 0) if code == 0 else None
        if not address:
            raise RuntimeError(f"llama.cpp gave no embedding ({code})")
        held = (ctypes.c_float * self.width).from_address(address)
        return np.array(memoryview(held), dtype=np.float32)

    def _embed(self, inputs: Sequence[Sequence[int]], dimensions: int | None) -> Steps:
        vectors = []
        for tokens in inputs:
            vectors.append(unit(self.vector_of(tokens)[:dimensions]))
            yield
        return Vectors(tuple(vectors), tuple(len(tokens) for tokens in inputs))


def unit(vector: Vector) -> bytes:
    """Of length 1, little-endian. Raises `ArithmeticError` for what is no number."""
    wide = vector.astype(np.float64)
    if not np.isfinite(wide).all():
        raise ArithmeticError("a vector holds what is no number")
    length = float(np.linalg.norm(wide))
    return (wide / (length or 1.0)).astype("<f4").tobytes()


class EmbeddingBackend:
    """Implements `Backend`."""

    def __init__(
        self, spec: Load, library: Library, weights: Weights, language: GgufLanguage
    ) -> None:
        pooling = pooling_of(weights)
        if pooling is Pooling.RANK:
            raise CannotLoad(
                "This GGUF ranks documents, which is not supported in this format. Use a reranker "
                "of the BERT family as safetensors."
            )
        self._reader = Reader(library, weights, pooling, context=spec.context)
        self.language = language
        self.vocab_size = language.vocab_size
        self.preparing = EmbeddingPrompts(language, self._reader, context=spec.context)

    def sing(self) -> None:
        """The canary: a text of two tokens whose numbers must be numbers."""
        token = min(self.language.end_tokens, default=0)
        if not np.isfinite(self._reader.vector_of([token, token])).all():
            raise CannotLoad("The model's canary produced numbers that are not numbers (NaN).")

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Loop:  # noqa: ARG002 - fixed
        return Jobs(send)


class EmbeddingPrompts:
    """Implements `Preparing`: tokens and vectors, but no answers."""

    def __init__(self, language: GgufLanguage, reader: Reader, *, context: int) -> None:
        self._prompts = Prompts(language, context=context, vectors=reader)

    def prepare(self, asked: Generate) -> Prepared:  # noqa: ARG002 - whatever is asked
        raise TaskNotSupported(
            "This model gives embeddings and generates no text. Ask it on /v1/embeddings.",
            param="model",
        )

    def tokens(self, work: Tokenize) -> Tokens:
        return self._prompts.tokens(work)

    def text(self, work: Detokenize) -> Text:
        return self._prompts.text(work)

    def steps(self, work: Embed | Rerank) -> Steps:
        """Raises what `Prompts.steps` does."""
        return self._prompts.steps(work)

    def close(self) -> None:
        self._prompts.close()
