"""A migrated database for a test, copied from one that was migrated once per process."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, event

from app.database import migrate, open_engine


def fresh_database(directory: Path) -> Path:
    path = directory / "lmx.db"
    path.write_bytes(_template())
    path.chmod(0o600)
    return path


def weakened_engine(path: Path, *pragmas: str) -> Engine:
    """An engine whose connections also run `pragmas`, which the authorizer would refuse."""
    engine = open_engine(path)

    @event.listens_for(engine, "connect")
    def weaken(connection: object, _record: object) -> None:
        connection.set_authorizer(None)  # type: ignore[attr-defined]
        for pragma in pragmas:
            connection.execute(pragma).fetchall()  # type: ignore[attr-defined]

    return engine


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "lmx.db"
        migrate(path)
        return path.read_bytes()
