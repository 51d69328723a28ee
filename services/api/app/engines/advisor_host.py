"""Runs advisors: each in a process of its own, behind walls, in a thread that waits for it."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from app.domain.advice.contained import Order, Outcome
from app.domain.advice.frames import Answer, Question
from app.engines.advisor_run import ADVISE, REPLAY, AdvisorRun, Limits

LIMITS: Final[Mapping[str, Limits]] = {"look": ADVISE, "advise": ADVISE, "replay": REPLAY}

Answers = Callable[[Question], Awaitable[Answer]]


class AdvisorHost:
    """`app.authority.ports.AdvisorHost` over real processes. `bundle`: what they run from, made by
    `app.engines.advisor_bundle`; their scratch directories lie beside it while they run."""

    def __init__(self, *, bundle: Path, limits: Mapping[str, Limits] = LIMITS) -> None:
        self._bundle = bundle
        self._limits = limits

    async def run(self, order: Order, answer: Answers) -> Outcome:
        """Run one child to its end, or kill it. Cancelling kills it, and waits until it is gone."""
        loop = asyncio.get_running_loop()

        def ask(question: Question) -> "Future[Answer]":
            return asyncio.run_coroutine_threadsafe(_answered(answer, question), loop)

        run = AdvisorRun(self._bundle, order, self._limits[order.do], ask)
        outcome: asyncio.Future[Outcome] = loop.create_future()
        threading.Thread(
            target=_to_end, args=(run, loop, outcome), name="advisor", daemon=True
        ).start()
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            run.stop()
            await asyncio.wait([outcome])
            raise


async def _answered(answer: Answers, question: Question) -> Answer:
    return await answer(question)


def _to_end(
    run: AdvisorRun, loop: asyncio.AbstractEventLoop, outcome: "asyncio.Future[Outcome]"
) -> None:
    """In the thread. What goes wrong in the host itself is raised where it is awaited."""
    try:
        made = run.to_end()
    except BaseException as error:  # noqa: BLE001 - a fault of ours, and an answer that was none
        _tell(loop, outcome.set_exception, error)
    else:
        _tell(loop, outcome.set_result, made)


def _tell(loop: asyncio.AbstractEventLoop, tell: Callable[..., object], what: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the server is going
        loop.call_soon_threadsafe(tell, what)
