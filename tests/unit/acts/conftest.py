"""An office in which one act of a test's choice can be asked for, approved and executed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.authority.approvals.acts import Act
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executed, Executing
from app.authority.approvals.values import Ask
from app.authority.governance import Governance
from app.domain.actors import Actor
from tests.fakes.asks import Office, open_office
from tests.fakes.database import connections_closed
from tests.fakes.guardrails import House, guarded_house


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = open_office(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def guards(tmp_path: Path) -> Iterator[House]:
    """The guardrails that ship, and an office that takes asks for changing them."""
    with guarded_house(tmp_path / "home") as house:
        yield house


class Desk:
    """Takes one kind of act through the workflow."""

    def __init__(self, office: Office, act: Act) -> None:
        self.office = office
        self.act = act
        parts = replace(office.parts, acts={act.kind: act})
        deciding = Deciding(parts, Challenges(office.clock))
        office.parts = parts
        office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))

    def ask(self, actor: Actor | None = None, **params: Any) -> Ask:
        asking = self.office.governance.asking
        return asking.ask(actor or self.office.owner, self.act.kind, params, "")

    def plan(self, ask: Ask) -> dict[str, Any]:
        return dict(self.office.parts.asks.plan_of(ask).body)

    async def do(self, ask: Ask) -> Executed:
        """Approve and execute."""
        executed: Executed = await self.office.execute(self.office.decide("owner", ask))
        return executed


@pytest.fixture
def desk(office: Office) -> Callable[[Act], Desk]:
    return lambda act: Desk(office, act)
