"""A worker's backend in the test's own process: asks it, and gathers what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.generation import Delta, Piece, TokenLogprob
from app.engines.protocol import (
    Deltas,
    FromWorker,
    Generate,
    Load,
    SequenceEchoed,
    SequenceFinished,
    SequencePieces,
    SequenceRejected,
)
from app.engines.worker.backend import Backend, Drain, Loop, Prepared
from app.engines.worker.gguf.backend import GgufBackend, open_model


@dataclass(frozen=True)
class Answer:
    """One sequence, whole: its pieces, and how it ended."""

    pieces: tuple[Piece, ...]
    end: SequenceFinished | SequenceRejected
    echoed: SequenceEchoed | None

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Delta))

    @property
    def logprobs(self) -> list[TokenLogprob]:
        deltas = [piece for piece in self.pieces if isinstance(piece, Delta)]
        return [entry for delta in deltas for entry in delta.logprobs]

    @property
    def finished(self) -> SequenceFinished:
        assert isinstance(self.end, SequenceFinished), self.end
        return self.end


def opened_gguf(spec: Load) -> GgufBackend:
    """A model that generates, and no other. Raises `CannotLoad`."""
    backend = open_model(spec)
    assert isinstance(backend, GgufBackend)
    return backend


class Asking:
    """Runs sequences of one backend on one loop, which goes on remembering between them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._said: list[FromWorker] = []
        self._left = 0
        self.loop: Loop = backend.loop(self._hear, lambda: False)

    def __call__(self, *asked: Generate) -> list[Answer]:
        """All of them at once; answers in the same order."""
        return self.run([self._backend.preparing.prepare(one) for one in asked])

    def run(self, prepared: Sequence[Prepared]) -> list[Answer]:
        self._said, self._left = [], len(prepared)
        for one in prepared:
            self.loop.inbox.put(one)
        self.loop.run()
        self.loop._draining = False  # type: ignore[attr-defined]  # both loops have it
        return [_answer(one.handle, self._said) for one in prepared]

    def _hear(self, messages: list[FromWorker]) -> None:
        self._said += messages
        self._left -= sum(isinstance(m, SequenceFinished | SequenceRejected) for m in messages)
        if self._left == 0:
            self.loop.inbox.put(Drain())


def _answer(handle: int, said: Sequence[FromWorker]) -> Answer:
    pieces: list[Piece] = []
    end: SequenceFinished | SequenceRejected | None = None
    echoed: SequenceEchoed | None = None
    for message in said:
        match message:
            case Deltas(items):
                own = [item for item in items if item.handle == handle]
                pieces += [Delta(item.text, item.tokens) for item in own]
            case SequencePieces(number, more) if number == handle:
                pieces += more
            case SequenceEchoed(number) if number == handle:
                echoed = message
            case SequenceFinished(number) | SequenceRejected(number) if number == handle:
                assert end is None
                end = message
            case _:
                pass
    assert end is not None
    return Answer(tuple(pieces), end, echoed)
