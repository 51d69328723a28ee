"""A model that was pulled and may be damaged, and who repairs it."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine

from app.authority.catalog.repairing import Repairing
from app.authority.catalog.shipped import Shipped
from app.authority.pulling import Repairs
from app.domain.actors import Actor
from app.domain.models import Trust
from tests.fakes.hub import REPO
from tests.unit.pulling.conftest import OPERATOR, Station

Json = dict[str, Any]


class Quiet:
    """A server in which nothing is loaded."""

    residency = SimpleNamespace(state=lambda _: "absent")

    def __init__(self) -> None:
        self.released: list[str] = []

    async def release(self, _: Actor, model_id: str) -> None:
        self.released.append(model_id)


@dataclass
class Bench:
    """A model that was pulled, and who repairs it."""

    station: Station
    repairs: Repairs
    serving: Quiet

    def view(self, model_id: str = REPO) -> Path:
        return self.station.store / "models" / self.station.catalog.get(model_id).digest

    def trust(self, model_id: str = REPO) -> Trust:
        return self.station.catalog.get(model_id).trust

    async def repair(self, model_id: str = REPO, plan: Json | None = None) -> Json:
        plan = plan or await self.repairs.plan(OPERATOR, model_id)
        steps = self.repairs.repair(OPERATOR, model_id, plan["plan"])
        done: Json = [step async for step in steps][-1]["done"]
        return done


def made(station: Station, engine: Engine, shipped: Shipped) -> Bench:
    serving = Quiet()
    repairing = Repairing(station.catalog, engine)
    repairs = Repairs(station.ports, station.pulling, repairing, shipped, serving)  # type: ignore[arg-type]
    return Bench(station, repairs, serving)


def flip(path: Path) -> None:
    """Other bytes in the same file, as a disk that rots leaves them."""
    path.parent.chmod(0o700)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
