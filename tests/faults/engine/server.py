"""A stand-in for the server: starts one worker on a model directory, prints its pid, streams."""

import asyncio
import sys
from pathlib import Path

from app.domain.engine import LoadSpec
from app.domain.generation import Delta, Sampling, Sequence, TextPrompt
from app.engines.supervisor import WorkerHost


async def main() -> None:
    spec = LoadSpec("tests/tiny", "0" * 64, Path(sys.argv[1]), 2048, 4, 4 * 2**30)
    engine = await WorkerHost().start(None, spec)
    asked = Sequence("one", TextPrompt("hello"), Sampling(max_tokens=None))
    async for event in engine.generate(None, asked):
        if isinstance(event, Delta):
            print(engine.facts.pid, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
