"""What deleting, restoring and purging work with: the rows, the directories, one at a time."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from app.authority.catalog.removal import moving, rows
from app.authority.catalog.removal.entry import Entry
from app.authority.catalog.removal.moving import Places
from app.authority.catalog.removal.rows import Trashed
from app.authority.catalog.store import Catalog
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock
from app.domain.refusals import ModelBusy, ModelNotFound, TrashNotFound

WAIT_S: Final = 60.0
"""How long a deletion waits for an import before it gives up; nothing was changed then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Everything the database says of a model that is to be deleted.

    `shared`: SHA-256 of files that `others` need too; `in_trash`: those that each entry holds.
    """

    rows: Mapping[str, list[dict[str, Any]]]
    shared: frozenset[str]
    others: list[str]
    in_trash: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """`store` and `directory` (the trash) are resolved paths on one volume."""

    catalog: Catalog
    ledger: Ledger
    engine: Engine
    clock: Clock
    store: Path
    directory: Path
    grace_s: Callable[[], int]
    changed: Callable[[], None] = lambda: None
    """Called after rows changed, for whoever remembers aliases."""
    _known: dict[str, frozenset[str]] = field(default_factory=dict)

    def uses(self, model_id: str) -> Uses:
        """Raises ModelNotFound. Reads rows by their index, and no disk."""
        with self.engine.connect() as connection:
            found = rows.of_model(connection, model_id)
            if not found["model"]:
                raise ModelNotFound(
                    f"No model is called '{model_id[:200]}'. lmx models ls lists them.",
                    param="model",
                )
            return Uses(
                rows=found,
                shared=rows.shared(connection, model_id),
                others=rows.sharing(connection, model_id),
                in_trash=rows.held_in_trash(
                    connection, frozenset(row["sha256"] for row in found["artifact"]), self._known
                ),
            )

    def all(self) -> list[Trashed]:
        """Every entry there ever was, the oldest first."""
        with self.engine.connect() as connection:
            return rows.trashed(connection)

    def due(self, now_us: int) -> list[Trashed]:
        """Entries whose grace is over and whose bytes are not gone."""
        return [
            entry
            for entry in self.all()
            if entry.state in ("trashed", "purging") and entry.purge_after_us <= now_us
        ]

    def get(self, trash_id: str) -> tuple[Trashed, Entry]:
        """Raises TrashNotFound."""
        with self.engine.connect() as connection:
            found = rows.find(connection, trash_id)
        if found is None:
            raise TrashNotFound(
                f"The trash has no entry '{trash_id[:64]}'. lmx store trash lists them.",
                param="trash",
            )
        return found

    def needed_besides(self, ids: Collection[str]) -> set[str]:
        """SHA-256 of files that a model needs, or an entry that is not among `ids`."""
        with self.engine.connect() as connection:
            held = rows.held_in_trash(connection, None, self._known)
            used = rows.used(connection)
        return used.union(*(files for trash_id, files in held.items() if trash_id not in ids))

    @contextmanager
    def alone(self) -> Iterator[None]:
        lock: threading.Lock = self.catalog.placing
        if not lock.acquire(timeout=WAIT_S):
            raise ModelBusy("An import or a pull is at work. Try again when it is done.")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def places(self) -> Iterator[Places]:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with moving.places(self.store, self.directory) as at:
            yield at
