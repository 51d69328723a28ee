"""The use case of everything a model is asked besides generating: tokens, embeddings, ranks.

As for an answer: permission, route, a resident model, and one row of usage, never the text.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.authority.leasing import Asking, InferencePorts, Leased, lease
from app.authority.ledger.usage import UsageRow
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusal import attempting
from app.domain.refusals import Refusal, RequestTimeout
from app.domain.work import Scores, Vectors, Work, WorkResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model made of each piece of work, in the order asked."""

    model_id: str
    digest: str
    results: tuple[WorkResult, ...]

    @property
    def prompt_tokens(self) -> int:
        return sum(map(tokens_of, self.results))


class Computing:
    """One instance per server."""

    def __init__(self, ports: InferencePorts) -> None:
        self._ports = ports

    async def compute(
        self, actor: Actor, request_id: str, model: str, works: Sequence[Work]
    ) -> Outcome:
        """Do `works` one after the other. Raises a Refusal; cancelling the caller cancels it."""
        ports = self._ports
        with attempting(Permission.INFER):
            may = grant(actor, Permission.INFER, subject=model, access=ports.access)
            asking = Asking(actor, request_id, model)
            began = _Began(ports.clock.utc_us(), ports.clock.monotonic())
            results: list[WorkResult] = []
            outcome = "cancelled"
            leased = None
            try:
                async with AsyncExitStack() as held, asyncio.timeout(ports.timeout_s):
                    leased = await lease(ports, asking, held)
                    for work in works:
                        result = await leased.engine.compute(may, work)
                        results.append(result)
                outcome = "answered"
            except TimeoutError:
                outcome = RequestTimeout.code
                raise ports.timed_out() from None
            except Refusal as refusal:
                outcome = refusal.code
                raise
            finally:
                if leased is not None:
                    ports.usage.add(self._used(asking, leased, results, began, outcome))
            return Outcome(leased.model.id, leased.model.digest, tuple(results))

    def _used(
        self,
        asking: Asking,
        leased: Leased,
        results: Sequence[WorkResult],
        began: "_Began",
        outcome: str,
    ) -> UsageRow:
        now = self._ports.clock.monotonic()
        model, counts = leased.model, [count for one in results for count in counts_of(one)]
        return UsageRow(
            request_id=asking.request_id,
            actor=asking.actor.id,
            model_id=model.id,
            digest=model.digest,
            prompt_tokens=sum(counts),
            completion_tokens=0,
            started_us=began.utc_us,
            ttft_ms=None,
            duration_ms=round((now - began.monotonic) * 1000),
            outcome=outcome,
            asked=leased.asked(asking.name, max(counts, default=0)),
        )


@dataclass(frozen=True, slots=True)
class _Began:
    utc_us: int
    monotonic: float


def tokens_of(result: WorkResult) -> int:
    """Tokens that the model read for it."""
    return sum(counts_of(result))


def counts_of(result: WorkResult) -> Sequence[int]:
    """Tokens of each text that the model read; counting tokens reads none."""
    match result:
        case Vectors(prompt_tokens=counts) | Scores(prompt_tokens=counts):
            return counts
        case _:
            return ()
