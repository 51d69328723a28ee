"""Guardrails on a real database, adopted from the shipped files; changes go through approvals."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from app.authority.acts.guardrails_activate import GuardrailsActivate
from app.authority.acts.guardrails_add import GuardrailsAdd
from app.authority.acts.guardrails_rebind import GuardrailsRebind
from app.authority.acts.guardrails_retire import GuardrailsRetire
from app.authority.approvals.acts import Act
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executed, Executing
from app.authority.approvals.values import Ask
from app.authority.governance import Governance
from app.authority.guarding import Guarding
from app.authority.guardrails.adopting import adopt
from app.authority.guardrails.changing import Changing, Loaded
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.standing import Now, Standing
from app.authority.guardrails.strategies.base import Observation, Reading
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import Asked
from app.authority.guardrails.watching.decision_store import Decided, DecisionStore
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.settings import TEMPLATES
from tests.fakes.asks import Office, Toy, open_office, reopened_office
from tests.fakes.clock import FixedClock
from tests.fakes.tampering import unguarded

SHIPPED = (TEMPLATES / "guardrails.yaml").read_text("utf-8")
SHARE = "primitives/model_memory_share/priors/threshold/medium"
"""What the shipped task `large-models` reads, and no other shipped task."""


def edited(changes: Mapping[str, Any], text: str = SHIPPED) -> str:
    """The shipped document with other values at these keys; None takes a key away."""
    document = yaml.safe_load(text)
    for key, value in changes.items():
        *above, last = key.split("/")
        section = document
        for name in above:
            section = section.setdefault(name, {})
        if value is None:
            del section[last]
        else:
            section[last] = value
    return yaml.safe_dump(document, sort_keys=False)


@dataclass
class House:
    """An office where what is asked for are changes of the guardrails."""

    office: Office
    standing: Standing
    changing: Changing

    @property
    def now(self) -> Now:
        return self.standing.current()

    def load(self, text: str, note: str = "") -> Loaded:
        may = grant(self.office.owner, Permission.GUARDRAILS_CHANGE)
        return self.changing.load(may, text, "yaml", note)

    def ask(self, act: str, by: Actor | None = None, /, **params: Any) -> Ask:
        asking = self.office.governance.asking
        return asking.ask(by or self.office.owner, f"guardrails_{act}", params, "")

    def plan(self, ask: Ask) -> dict[str, Any]:
        return dict(self.office.parts.asks.plan_of(ask).body)

    async def done(self, ask: Ask) -> Executed:
        """Approve and execute."""
        executed: Executed = await self.office.execute(self.office.decide("owner", ask))
        return executed

    async def does(self, act: str, /, **params: Any) -> Executed:
        return await self.done(self.ask(act, **params))

    async def activated(self, text: str) -> int:
        """Load a document and make it the active one."""
        version = self.load(text).row.version
        await self.does("activate", version=version)
        return version

    def use_cases(self) -> Guarding:
        office = self.office
        return Guarding(self.changing, self.decisions, office.governance, office.clock)

    @property
    def decisions(self) -> DecisionStore:
        return DecisionStore(self.office.engine)

    def decide(self, subject: str = "lmx/starter", point: Point = Point.LOAD, **read: Any) -> str:
        """Decide by what holds from these readings, and keep it; the decision's id."""
        asked = Asked(at_us=self.office.clock.utc_us(), point=point, subject=subject, actor="key:1")
        readings = {series: Reading(value) for series, value in read.items()}
        made = evaluate(self.now.rules, asked, readings, _Nothing())
        self.decisions.add(
            Decided(
                asked.at_us,
                str(point),
                subject,
                asked.actor,
                made.outcome,
                made.digest,
                made.record,
            )
        )
        return made.digest

    def sql(self, statement: str, *values: object) -> None:
        """Change the database by other means; its guards are put back."""
        with unguarded(self.office.home) as connection:
            connection.execute(statement, values)

    def close(self) -> None:
        self.office.close()


class _Nothing:
    """No history was observed."""

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        return ()

    def mark(self, series: str, since_us: int, before_us: int) -> int:
        return 0


@contextmanager
def guarded_house(home: Path, templates: Path = TEMPLATES) -> Iterator[House]:
    """What `templates` hold is adopted once per process, by a first start; its home is copied."""
    shipped = ((path.name, path.read_bytes()) for path in sorted(templates.glob("*.yaml")))
    for path, content in _adopted(tuple(shipped)).items():
        (home / path).parent.mkdir(mode=0o700, exist_ok=True)
        (home / path).write_bytes(content)
        (home / path).chmod(0o600)
    house = _house(reopened_office(home, FixedClock(), Toy(), {}))
    try:
        yield house
    finally:
        house.close()


def _house(office: Office) -> House:
    standing = Standing(office.ledger, office.engine)
    house = House(office, standing, Changing(standing, office.clock))
    employ(house)
    return house


@cache
def _adopted(templates: tuple[tuple[str, bytes], ...]) -> dict[Path, bytes]:
    """What a home holds after a first start with these templates, by the paths in it."""
    with tempfile.TemporaryDirectory() as directory:
        home, shipped = Path(directory) / "home", Path(directory) / "templates"
        shipped.mkdir()
        for name, content in templates:
            (shipped / name).write_bytes(content)
        house = _house(open_office(home))
        adopt(house.changing, house.office.ledger, shipped)
        house.close()
        files = (path for path in home.rglob("*") if path.is_file())
        return {path.relative_to(home): path.read_bytes() for path in files}


def employ(house: House) -> None:
    """Let the office take asks for changes of the guardrails."""
    office, changing = house.office, house.changing
    acts: tuple[Act, ...] = (
        GuardrailsActivate(changing),
        GuardrailsAdd(changing),
        GuardrailsRebind(changing),
        GuardrailsRetire(changing),
    )
    parts = replace(office.parts, acts={act.kind: act for act in acts})
    deciding = Deciding(parts, Challenges(office.clock))
    office.parts = parts
    office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
