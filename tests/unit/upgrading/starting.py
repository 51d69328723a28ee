"""A start of this release on a state directory, without a port: opened, looked at, closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.home import prepare_home
from app.settings import Settings
from app.wiring.opening import Authority, open_authority


@contextmanager
def started(home: Path) -> Iterator[Authority]:
    prepare_home(home)
    settings = Settings.model_validate({"ledger": {"reserve_bytes": 1 << 20}})
    authority = open_authority(settings, home=home, version="0.1.0")
    try:
        yield authority
    finally:
        authority.usage.close()
        authority.refusals.close()
        authority.ledger.close()
        authority.database.dispose()


def kinds(authority: Authority) -> list[str]:
    """The kinds of all events, oldest first."""
    return [str(event.kind) for event in authority.ledger.events(limit=authority.ledger.size())]
