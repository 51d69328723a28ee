"""A house with three models, requests to them, and the facts that advice gets of both."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine as Database

from app.authority.advice.facts import Facts, Taken
from app.authority.advice.publishing import written
from app.authority.catalog.annotations import Annotations
from app.authority.inference import Inference
from app.authority.leasing import InferencePorts
from app.authority.ledger import RefusalRecorder, UsageLog
from app.authority.permissions import Access
from app.authority.policy.routing import Routing
from app.database import open_engine
from app.domain.actors import ANONYMOUS, Actor
from app.domain.advice.snapshot import ModelFacts, Snapshot, from_plain
from app.domain.generation import InferenceRequest, Sampling, Sequence, TextPrompt
from tests.fakes.lifecycle import LIMITS, House, build_house

M0, M1, M2 = (f"test/model-{n}" for n in range(3))


@dataclass
class Study:
    """A house with models, requests to them, and the facts of both."""

    house: House
    home: Path
    database: Database
    usage: UsageLog
    annotations: Annotations
    facts: Facts
    refusals: RefusalRecorder
    actor: Actor = ANONYMOUS

    async def ask(self, model: str, prompt: str = "hello", request_id: str = "r") -> None:
        """One answered request."""
        ports = InferencePorts(
            catalog=self.house.catalog,
            routing=self.facts.routing,
            serving=self.house.serving,
            usage=self.usage,
            refusals=self.refusals,
            clock=self.house.clock,
            access=Access(),
            timeout_now=lambda: 20,
        )
        sampling = Sampling(temperature=0.0, max_tokens=8)
        request = InferenceRequest(
            request_id, model, (Sequence("s", TextPrompt(prompt), sampling),)
        )
        generation = await Inference(ports).open(self.actor, request)
        async for _ in generation.events():
            pass

    def taken(self) -> Taken:
        """Of what happened until now."""
        assert self.usage.flush(60)
        self.house.ledger.settle()
        return self.facts.taken()

    def snapshot(self) -> Snapshot:
        return as_read(self.taken())

    def model(self, model_id: str) -> ModelFacts:
        return self.snapshot().models[model_id]


def as_read(taken: Taken) -> Snapshot:
    """As whoever is given it reads it."""
    return from_plain(json.loads(written(taken)[0]))


@asynccontextmanager
async def open_study(home: Path) -> AsyncIterator[Study]:
    house = build_house(home)
    database = open_engine(home / "lmx.db")
    annotations = Annotations(house.catalog, database)
    routing = Routing({"default": (M0, M1), "gone": ("test/never",)}, given=annotations.chains)
    facts = Facts(
        catalog=house.catalog,
        routing=routing,
        serving=house.serving,
        probe=house.memory,
        clock=house.clock,
        readers=house.ledger.readers,
        database=database,
        limits_now=lambda: LIMITS,
        goals={"default": 700},
        home=home,
    )
    usage, refusals = UsageLog(database), RefusalRecorder(house.ledger, clock=house.clock)
    made = Study(house, home, database, usage, annotations, facts, refusals)
    yield made
    for engine in house.host.started:
        engine.release()
    await house.serving.close()
    usage.close()
    house.ledger.close()
    database.dispose()
