"""Models in GGUF, run by llama.cpp inside this process."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.engines.protocol import Load
from app.engines.worker.backend import Backend, CannotLoad, Loop, Send
from app.engines.worker.constraints import Constraints
from app.engines.worker.gguf.batch import Batch, Voicing
from app.engines.worker.gguf.decoder import Decoder, Feed
from app.engines.worker.gguf.drawing import defaults_of
from app.engines.worker.gguf.language import GgufLanguage
from app.engines.worker.gguf.library import Library, open_library
from app.engines.worker.gguf.slots import Slots
from app.engines.worker.gguf.threads import best, candidates, cores
from app.engines.worker.gguf.vectors import EmbeddingBackend, Pooling, pooling_of
from app.engines.worker.gguf.weights import Weights, find_gguf
from app.engines.worker.prompts import Prompts

CANARY_TOKENS = 2
LONGEST_TIMED = 64
LONGEST_TIMED_S = 0.2


def open_model(spec: Load) -> Backend:
    """Raises `CannotLoad`, or whatever ctypes raises."""
    library = open_library()
    library.on_abort = _say
    weights = Weights(library, find_gguf(Path(spec.directory)))
    language = GgufLanguage(library, weights)
    if pooling_of(weights) is not Pooling.NONE:
        return EmbeddingBackend(spec, library, weights, language)
    return GgufBackend(spec, library, weights, language)


class GgufBackend:
    """Implements `Backend`."""

    def __init__(
        self, spec: Load, library: Library, weights: Weights, language: GgufLanguage
    ) -> None:
        self._weights = weights
        self.language = language
        self._decoder = Decoder(
            library, self._weights, context=spec.context, slots=spec.slots, threads=1
        )
        self.vocab_size = self.language.vocab_size
        constraints = Constraints(
            self.language,
            vocab_size=self.vocab_size,
            ends=self.language.end_tokens,
            special=self.language.special_tokens,
            markers=self.language.markers,
        )
        self.preparing = Prompts(self.language, context=spec.context, constraints=constraints)
        answer, prompt = choose_threads(self._decoder, self._some_token)
        _say(f"llama.cpp uses {answer} of {cores()} cores for answers and {prompt} for prompts")

    @property
    def _some_token(self) -> int:
        return min(self.language.end_tokens, default=0)

    def sing(self) -> None:
        """The canary: a short greedy generation whose numbers must be numbers."""
        tokens = [self._some_token] * 2
        for position in range(0, CANARY_TOKENS * 2, 2):
            row = self._decoder.step([Feed(0, tokens, position, 1)])[0]
            if not np.isfinite(row.max()) or np.isnan(row).any():
                raise CannotLoad("The model's canary produced numbers that are not numbers (NaN).")
            tokens = [int(row.argmax())] * 2
        self._decoder.clear()

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Loop:  # noqa: ARG002 - fixed
        """llama.cpp has taken all of its memory already, so there is none to watch over."""
        slots = Slots(self._decoder, window=self._weights.sliding_window)
        voicing = Voicing(self.language, defaults_of(self._weights.meta))
        return Batch(self._decoder, slots, voicing, send)


def choose_threads(
    decoder: Decoder, token: int, *, now: Callable[[], float] = time.monotonic
) -> tuple[int, int]:
    """Measures, sets and returns the threads for single tokens and for prompts.

    A model that is slow at one token is not given a long prompt to measure with.
    """
    counts = candidates(cores())

    def seconds_for(tokens: int) -> Callable[[int], float]:
        def seconds(count: int) -> float:
            decoder.use_threads(count, count)
            started = now()
            decoder.step([Feed(0, [token] * tokens, 0, 1)])
            taken = now() - started
            decoder.keep(0, 0)
            return taken

        return seconds

    seconds_for(1)(counts[0])  # the first step sets things up
    answer = best(counts, seconds_for(1), now=now)
    slow = seconds_for(1)(answer)
    tokens = max(2, min(LONGEST_TIMED, int(LONGEST_TIMED_S / max(slow, 1e-6))))
    prompt = best(counts, seconds_for(tokens), now=now)
    decoder.use_threads(answer, prompt)
    return answer, prompt


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
