"""Guardrails on a real database, adopted from the shipped files; changes go through approvals."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from app.authority.guardrails.adopting import adopt
from app.authority.guardrails.changing import Changing, Loaded
from app.authority.guardrails.standing import Now, Standing
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.settings import TEMPLATES
from tests.fakes.asks import Office, open_office

SHIPPED = (TEMPLATES / "guardrails.yaml").read_text("utf-8")


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

    def sql(self, statement: str, *values: object) -> None:
        """Change the database by other means: the guards of its tables are put back."""
        with self.office.engine.begin() as connection:
            found = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
                " AND name LIKE 'guardrails%'"
            ).all()
            for name, _ in found:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.exec_driver_sql(statement, values)
            for _, sql in found:
                connection.exec_driver_sql(sql)

    def close(self) -> None:
        self.office.close()


@contextmanager
def guarded_house(home: Path, templates: Path = TEMPLATES) -> Iterator[House]:
    office = open_office(home)
    standing = Standing(office.ledger, office.engine)
    house = House(office, standing, Changing(standing, office.clock))
    employ(house)
    try:
        adopt(house.changing, office.ledger, templates)
        yield house
    finally:
        office.close()


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
