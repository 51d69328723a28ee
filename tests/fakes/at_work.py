"""Guardrails at work on a real database: real policy, lifecycle and approvals, made workers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert

from app.authority.acts.model_load import ModelLoad
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.catalog import Catalog, known_models
from app.authority.governance import Governance
from app.authority.guardrails.policy import GuardedPolicy
from app.authority.guardrails.watching.alerts import Alerts
from app.authority.guardrails.watching.decision_store import DecisionStore, Kept
from app.authority.guardrails.watching.observing import Observing
from app.authority.guardrails.watching.readings import Sources
from app.authority.guardrails.watching.recent import Recent
from app.authority.guardrails.watching.subjects import Models, Terms
from app.authority.guardrails.watching.ticking import Ticking
from app.authority.guardrails.watching.traffic import Traffic
from app.authority.ledger.tables import USAGE
from app.authority.ledger.writing import writing
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Question
from app.authority.policy.hard import HardPolicy
from app.domain.actors import Actor, Role
from app.domain.models import CatalogModel
from app.domain.terms import UsualTerms
from tests.fakes.asks import Office
from tests.fakes.database import connections_closed
from tests.fakes.engine import FakeEngineHost
from tests.fakes.guardrails import SHIPPED, House, guarded_house
from tests.fakes.lifecycle import LIMITS
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model

CLIENT = Actor("key:0badcafe", "client", frozenset({Role.CLIENT}))
BLOCK_ALL = 'Block loading a model whose publisher is "test"'


@dataclass
class AtWork:
    """`tasks` of the house decide; `state` is what the machine is made to say."""

    house: House
    catalog: Catalog
    model: CatalogModel
    memory: FixedMemory
    host: FakeEngineHost
    serving: Serving
    sources: Sources
    decisions: DecisionStore
    alerts: Alerts
    observing: Observing
    policy: GuardedPolicy
    state: dict[str, int]

    @property
    def office(self) -> Office:
        return self.house.office

    @property
    def rows(self) -> list[Kept]:
        """Every decision, the oldest first."""
        return list(self.decisions.each())

    def load(self, actor: Actor | None = None, subject: str = "", **facts: Any) -> Question:
        terms = {"context": 64, "slots": 1, "pinned": False, **facts}
        return Question("model_load", actor or self.office.owner, subject or self.model.id, terms)

    def on_demand(self, actor: Actor = CLIENT) -> Question:
        return replace(self.load(actor), act="model_load_jit")

    def ticking(self) -> Ticking:
        """As after a start: nothing is remembered but what is recorded."""
        observing = Observing(self.sources, self.decisions)
        return Ticking(self.house.standing, observing, self.decisions, self.alerts)

    def events(self, kind: str) -> list[Any]:
        return self.office.ledger.events(kind=kind, limit=1000)

    def used(self, count: int = 1, **changes: Any) -> None:
        """So many requests ended just now."""
        row = {
            "request_id": "r",
            "actor": "key:1",
            "model_id": self.model.id,
            "digest": "d" * 64,
            "prompt_tokens": 1,
            "completion_tokens": 20,
            "ttft_ms": 0,
            "duration_ms": 1_000,
            "outcome": "answered",
            "requests": 1,
            "started_us": self.office.clock.utc_us() - 2_000_000,
            **changes,
        }
        with writing(self.office.engine) as connection:
            connection.execute(insert(USAGE), [row] * count)


@contextmanager
def at_work(home: Path, tasks: Mapping[str, str] | None = None) -> Iterator[AtWork]:
    """`tasks`: intents by id, in the place of those that ship."""
    home.mkdir(exist_ok=True)
    templates = home / "templates"
    templates.mkdir()
    (templates / "guardrails.yaml").write_text(SHIPPED)
    bound = {task: {"intent": said} for task, said in (tasks or {}).items()}
    document = yaml.safe_dump({"version": 1, "tasks": bound})
    (templates / "guardrails-tasks.yaml").write_text(document)
    with connections_closed(), guarded_house(home / "home", templates) as house:
        yield _opened(house, home)


def _opened(house: House, home: Path) -> AtWork:
    office, clock = house.office, house.office.clock
    catalog = Catalog(
        office.ledger,
        office.engine,
        clock=clock,
        store_dir=home / "home" / "store",
        known=known_models([]),
    )
    may = grant(office.owner, Permission.MODEL_IMPORT)
    model = catalog.import_directory(
        may, tiny_model(home / "tiny"), "test/tiny", lambda _: None, lambda: False
    )
    state = {"waiting": 0, "pending": 0, "sink_lag": 0, "used": 0, "promised": 0}
    memory = FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: state["used"])
    usual = UsualTerms(LIMITS.default_context, LIMITS.slots, LIMITS.idle_ttl_s)
    sources = Sources(
        models=Models(catalog, memory, Terms(lambda _: usual, lambda: 1 << 20)),
        recent=Recent(office.ledger.readers),
        traffic=Traffic(office.ledger.readers),
        clock=clock,
        promised_bytes=lambda: state["promised"],
        waiting=lambda: state["waiting"],
        pending=lambda: state["pending"],
        sink_lag=lambda: state["sink_lag"],
    )
    decisions, alerts, host = DecisionStore(office.engine), Alerts(office.ledger), FakeEngineHost()
    observing = Observing(sources, decisions)
    policy = GuardedPolicy(HardPolicy(), house.standing, observing, alerts, clock)
    serving = Serving(
        Equipment(catalog, office.ledger, host, memory, clock, lambda: LIMITS, policy)
    )
    act = ModelLoad(catalog, serving, memory)
    parts = replace(office.parts, policy=policy, acts={**office.parts.acts, act.kind: act})
    deciding = Deciding(parts, Challenges(clock))
    office.parts = parts
    office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
    return AtWork(
        house=house,
        catalog=catalog,
        model=model,
        memory=memory,
        host=host,
        serving=serving,
        sources=sources,
        decisions=decisions,
        alerts=alerts,
        observing=observing,
        policy=policy,
        state=state,
    )
