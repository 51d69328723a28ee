"""A real ledger, with a real signer and a real sink, in a directory of the test's own."""

from pathlib import Path

from sqlalchemy import Engine

from app.authority.ledger import Ledger
from app.authority.ledger.opening import Opened, open_ledger
from app.authority.ledger.reserve import Reserve
from app.authority.ledger.sinks import Sinks, own_sink
from app.authority.ports import Clock
from tests.fakes.clock import FixedClock


def opened_ledger(
    engine: Engine,
    clock: Clock | None = None,
    boot_id: str = "boot-1",
    *,
    reserve: Reserve | None = None,
) -> Opened:
    """Open the ledger as a start does; its keys and its sink lie beside the database."""
    directory = Path(engine.url.database or "").parent / "ledger"
    directory.mkdir(mode=0o700, exist_ok=True)
    return open_ledger(
        engine,
        clock or FixedClock(),
        boot_id=boot_id,
        directory=directory,
        sinks=lambda _: Sinks([own_sink(directory)]),
        reserve=reserve,
    )


def new_ledger(engine: Engine, clock: Clock | None = None, boot_id: str = "boot-1") -> Ledger:
    return opened_ledger(engine, clock, boot_id).ledger
