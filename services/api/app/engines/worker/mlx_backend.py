"""Models in MLX's format, run by mlx-lm."""

from collections.abc import Callable
from pathlib import Path

import mlx.core as mx

from app.engines.protocol import Load
from app.engines.worker.backend import Backend, CannotLoad, Send
from app.engines.worker.batch import Batch
from app.engines.worker.constraints import Constraints
from app.engines.worker.embedding import Decoder
from app.engines.worker.encoders import EncoderBackend, is_encoder
from app.engines.worker.generator import new_generator
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.prefixes import Prefixes
from app.engines.worker.prompts import Prompts

CANARY_TOKENS = 2


def open_model(spec: Load) -> Backend:
    """Raises `CannotLoad`, or whatever MLX raises."""
    return EncoderBackend(spec) if is_encoder(Path(spec.directory)) else MlxBackend(spec)


class MlxBackend:
    def __init__(self, spec: Load) -> None:
        self._spec = spec
        directory = Path(spec.directory)
        self._model = load(directory, memory_limit_bytes=spec.memory_limit_bytes)
        self.vocab_size = self._model.vocab_size
        self.preparing = Prompts(
            self._model,
            context=spec.context,
            constraints=constraints_of(self._model),
            vectors=Decoder(self._model.model, directory),
        )

    def sing(self) -> None:
        sing(self._model)

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Batch:
        return Batch(
            self._model,
            slots=self._spec.slots,
            send=send,
            over_memory=over_memory,
            prefixes=Prefixes(limit_bytes=self._spec.prompt_cache_bytes),
        )


def constraints_of(model: LoadedModel) -> Constraints:
    return Constraints(
        model.tokenizer,
        vocab_size=model.vocab_size,
        ends=model.end_tokens,
        markers=model.markers,
    )


def sing(model: LoadedModel) -> None:
    """The canary: a short greedy generation whose numbers must be numbers."""
    generator = new_generator(model.model, slots=1)
    token = min(model.end_tokens, default=0) % model.vocab_size
    generator.insert([[token, token]], [CANARY_TOKENS])
    while True:
        responses = generator.next_generated()
        if not responses:
            raise CannotLoad("The model's canary produced no token.")
        if mx.isnan(responses[0].logprobs).any().item():
            raise CannotLoad("The model's canary produced numbers that are not numbers (NaN).")
        if responses[0].finish_reason is not None:
            return


def held_on_device() -> int:
    """Bytes of Metal or CUDA buffers; 0 on a processor, where they are resident anyway."""
    if mx.default_device() != mx.Device(mx.gpu):
        return 0
    return int(mx.get_active_memory() + mx.get_cache_memory())
