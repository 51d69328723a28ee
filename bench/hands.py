"""The product without HTTP and authority: `WorkerHost.generate` in a process of its own."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.domain.engine import LoadSpec
from app.domain.generation import ChatPrompt, Delta, Finished, Sampling, Sequence
from app.engines.supervisor import WorkerHost
from bench.child import Json, answer_questions

CONTEXT = 512


class Hands:
    """A worker on the model; every question is one greedy generation."""

    def __init__(self, directory: str) -> None:
        self._runner = asyncio.Runner(loop_factory=_loop_factory())
        self._host = WorkerHost()
        spec = LoadSpec(
            model_id="bench",
            digest="",
            directory=Path(directory),
            context=CONTEXT,
            slots=8,
            memory_limit_bytes=4 << 30,
        )
        self._engine = self._runner.run(self._host.start(None, spec))

    def answer(self, question: Json) -> Json:
        return self._runner.run(self._generate(question["prompt"], question["max_tokens"]))

    def close(self) -> None:
        self._runner.run(self._host.close())

    async def _generate(self, prompt: str, max_tokens: int) -> Json:
        sequence = Sequence(
            id="bench",
            prompt=ChatPrompt(({"role": "user", "content": prompt},)),
            sampling=Sampling(temperature=0.0, max_tokens=max_tokens),
        )
        first, tokens = None, 0
        async for event in self._engine.generate(None, sequence):
            if first is None and isinstance(event, Delta):
                first = time.perf_counter()
            if isinstance(event, Finished):
                tokens = event.completion_tokens
        return {"tokens": tokens, "decode_s": time.perf_counter() - (first or 0.0)}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


if __name__ == "__main__":
    hands = Hands(sys.argv[1])
    answer_questions(hands.answer)
    hands.close()
