"""A host of advisors whose children do what a test says, and what runs them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.authority.advice.answering import Models
from app.authority.advice.hosting import Hosting
from app.domain.advice.contained import Order, Outcome, Wall
from app.domain.advice.frames import Answer, Question
from tests.fakes.advice import SNAPSHOT
from tests.fakes.advised import Advised

LOOK = Outcome(
    described=(
        ("residency", "that weeks are alike", "from the past"),
        ("llm", "little", "at most 50"),
    ),
    walls=(Wall("memory", True), Wall("landlock", False, "this kernel has none")),
)
Answers = Callable[[Question], Awaitable[Answer]]


@dataclass
class Script:
    """A host whose children do what the test says; `orders`: what they were told."""

    outcome: Outcome = field(default_factory=Outcome)
    look: Outcome = LOOK
    asks: tuple[Question, ...] = ()
    answers: list[Answer] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def run(self, order: Order, answer: Answers) -> Outcome:
        self.orders.append(order)
        if order.do == "look":
            return self.look
        await self.go_on.wait()
        self.answers += [await answer(question) for question in self.asks]
        return self.outcome


@dataclass(frozen=True)
class Published:
    digest: str = SNAPSHOT
    body: bytes = b'{"version":1}'


@dataclass(frozen=True)
class Publishing:
    published: Published = Published()

    async def now(self) -> Published:
        return self.published


def hosting(advised: Advised, script: Script, *, model: str | None = None, **how: Any) -> Hosting:
    authority = advised.authority
    return Hosting(
        host=script,
        publishing=Publishing(),
        proposing=advised.proposing,
        refusals=authority.refusals,
        models=Models(model, advised.inference, advised.serving, authority.routing),
        known=authority.catalog.ids,
        clock=advised.clock,
        last_seen_us=advised.proposals.last_seen_us,
        **how,
    )
