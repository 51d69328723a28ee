"""A store with models in it, a trash beside it, and warrants as an approved ask gives them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from app.authority.approvals.plans import Asked, Drawn, plan
from app.authority.catalog import Catalog, KnownModels
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.leftovers import Leftovers
from app.authority.catalog.removal.trash import Trash
from app.authority.ledger import Ledger
from app.authority.ledger.writing import writing
from app.authority.permissions import Grant, Permission, grant
from app.authority.warrants import Warrant
from app.authority.warrants.issuing import issue
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.domain.models import CatalogModel
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger
from tests.model_files import good_model

OPERATOR = Actor("key:00000000", "operator", frozenset({Role.OPERATOR}))
GRACE_S = 24 * 3600

_ASK = text(
    "INSERT INTO ask (id, act, subject, params, state, plan, asker, asker_roles, created_us,"
    " approve_by_us, execute_by_us) VALUES (:id, :act, :subject, '{}', 'pending', :plan, 'key:x',"
    " 'operator', 0, 1, 2)"
)


@dataclass
class Attic:
    """`start` opens everything anew on the same files, as a server that was killed does."""

    home: Path
    clock: FixedClock
    engine: Engine
    ledger: Ledger
    catalog: Catalog
    trash: Trash
    leftovers: Leftovers
    asked: int = 0

    @property
    def store(self) -> Path:
        return self.home / "store"

    def take(self, name: str, *, seed: int = 0, **files: bytes) -> CatalogModel:
        """Import a small model; `files` are added to it."""
        directory = good_model(self.home / "sources" / name.replace("/", "-"), seed=seed)
        for file, content in files.items():
            (directory / file.replace("_json", ".json")).write_bytes(content)
        return self.catalog.import_directory(
            self.may(Permission.MODEL_IMPORT), directory, name, lambda _: None, lambda: False
        )

    def may(self, permission: Permission) -> Grant:
        return grant(OPERATOR, permission)

    def warrant(self, act: str, drawn: Drawn, *, phase: str = "act") -> Warrant:
        """What an approved ask for this plan gives; the ask is there too."""
        self.asked += 1
        now = self.clock.utc_us()
        asked = Asked(
            act=act,
            actor=OPERATOR,
            reason="",
            policy_hash="",
            nonce=f"{os.getpid()}-{self.asked}",
            created_us=now,
            approve_by_us=now + 1,
            execute_by_us=now + 2,
        )
        made = plan(asked, drawn)
        ask = f"{self.asked:08d}"
        with writing(self.engine) as connection:
            connection.execute(
                _ASK, {"id": ask, "act": act, "subject": drawn.subject, "plan": made.hash}
            )
        return _warrant(act, ask, made.hash, made.body, phase)

    def deletion(self, model_id: str) -> Warrant:
        return self.warrant("model_delete", drawn_of(self.catalog.get(model_id)))

    def delete(self, model_id: str) -> str:
        """Into the trash, without a fault; the entry's id."""
        removed, trash_id = self.trash.delete(self.deletion(model_id))
        assert removed.failed == []
        return trash_id

    def purge_warrant(self, trash_id: str) -> Warrant:
        known, _ = self.trash.bin.get(trash_id)
        drawn = Drawn(
            subject=trash_id,
            verb="purge trash",
            phrase="yes",
            irreversible=True,
            targets=({"kind": "trash", "id": trash_id, "digest": known.digest},),
        )
        return self.warrant("trash_purge", drawn)

    def restore(self, trash_id: str) -> CatalogModel:
        return self.trash.restore(self.may(Permission.STORE_RESTORE), trash_id)

    def view(self, model: CatalogModel) -> Path:
        return self.store / "models" / model.digest

    def blob(self, model: CatalogModel, path: str) -> Path:
        manifest = self.catalog.manifest(model.id)
        sha256 = next(a.sha256 for a in manifest.artifacts if a.path == path)
        return self.store / "blobs" / "sha256" / sha256[:2] / sha256

    def files(self) -> dict[str, bytes]:
        """Every name in store and trash with its bytes, but for the notes of the trash."""
        paths = [*self.store.rglob("*"), *(self.home / "trash").rglob("*")]
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in sorted(paths)
            if path.is_file() and not path.is_symlink() and path.parent.parent.name != "trash"
        }

    def close(self) -> None:
        self.ledger.close()
        self.engine.dispose()


def after_purge(warrant: Warrant) -> Warrant:
    """The same approval, for the bytes after the grace."""
    return _warrant(warrant.act, warrant.ask, warrant.plan_hash, warrant.plan, "purge")


def drawn_of(model: CatalogModel) -> Drawn:
    return Drawn(
        subject=model.id,
        verb="delete",
        phrase=f"yes, delete {model.id}",
        irreversible=True,
        targets=({"kind": "model", "id": model.id, "digest": model.digest},),
        dependents={"in_flight": 0},
    )


def new_attic(home: Path) -> Attic:
    home.mkdir(exist_ok=True)
    fresh_database(home)
    (home / "trash").mkdir(mode=0o700)
    return start(home, FixedClock())


def start(home: Path, clock: FixedClock) -> Attic:
    engine = open_engine(home / "lmx.db")
    ledger = new_ledger(engine, clock)
    catalog = Catalog(ledger, engine, clock=clock, store_dir=home / "store", known=KnownModels(()))
    trash = Trash(
        Bin(
            catalog=catalog,
            ledger=ledger,
            engine=engine,
            clock=clock,
            store=(home / "store").resolve(),
            directory=(home / "trash").resolve(),
            grace_s=lambda: GRACE_S,
        )
    )
    leftovers = Leftovers(home.resolve(), catalog, engine)
    return Attic(home, clock, engine, ledger, catalog, trash, leftovers)


def _warrant(act: str, ask: str, plan_hash: str, body: Mapping[str, Any], phase: str) -> Warrant:
    return issue(
        act=act,
        ask=ask,
        plan_hash=plan_hash,
        plan=dict(body),
        actor=OPERATOR,
        intent_seq=1,
        phase=phase,
    )
