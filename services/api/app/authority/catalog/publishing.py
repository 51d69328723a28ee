"""The only place where what was pulled leaves quarantine: scanned, placed and recorded at once.

The files of a model appear in the store and its row in the catalog, together with the event that
says so, or nothing of it does.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from app.authority.catalog import records
from app.authority.catalog.fetching import Fetched, disk_errors_refused
from app.authority.catalog.inspection import Inspected, inspect
from app.authority.catalog.kinds import held_as
from app.authority.catalog.signatures import Signature
from app.authority.catalog.store import Catalog
from app.authority.catalog.tree import opened
from app.authority.catalog.trust import judge
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.domain.models import CatalogModel, Manifest, Trust
from app.domain.refusals import ModelExists
from app.domain.shapes import ModelShape
from app.evidence.vocabulary import Kind

BY_SHA256: Final = "sha256"
BY_GIT: Final = "git"
FILES: Final = "files"

_ORIGIN: Final = text("SELECT repo, revision FROM model WHERE id = :id")
_SET_ORIGIN: Final = text("UPDATE model SET repo = :repo, revision = :revision WHERE id = :id")
_SET_KNOWN_BY: Final = text(
    "UPDATE artifact SET known_by = :known_by WHERE model_id = :id AND path = :path"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model was pulled from. `source` is that for people, `known_by` per path.

    `licence`: what the hub says that its author says; empty: unknown.
    """

    repo: str
    commit: str
    source: str
    known_by: Mapping[str, str]
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it would enter the catalog, before anything is placed."""

    model: CatalogModel
    shape: ModelShape
    held: bool


class Publishing:
    """Every method may be called from any thread."""

    def __init__(self, catalog: Catalog, ledger: Ledger, engine: Engine, clock: Clock) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._engine = engine
        self._clock = clock

    def origin(self, model_id: str) -> tuple[str, str] | None:
        """Repository and commit that a model was pulled from; None for others."""
        with self._engine.connect() as connection:
            row = connection.execute(_ORIGIN, {"id": model_id}).one_or_none()
        return None if row is None or row.repo is None else (row.repo, row.revision)

    def publish(
        self,
        grant: Grant,
        model_id: str,
        fetched: Fetched,
        origin: Origin,
        *,
        admit: Callable[[Fetched], Signature],
        outcome: Callable[[CatalogModel], LedgerEvent],
        check: Callable[[], None],
    ) -> CatalogModel:
        """Scan what was fetched, ask `admit` about it, place it and record `outcome`.

        `admit` returns what the signature that came along is worth.

        Raises IntakeRefused, ModelExists, and what `admit` and `check` raise; then nothing was
        placed.
        """
        require(grant, Permission.MODEL_PULL)
        with (
            self._catalog.entering(check) as store,
            disk_errors_refused(fetched.manifest.size_bytes, store.bytes_free),
            store.incoming() as work,
        ):
            files = work.directory / FILES
            files.mkdir(mode=0o700)
            for path, file in fetched.files.items():
                os.link(file, files / held_as(path), follow_symlinks=False)
                os.link(file, work.view_directory / held_as(path), follow_symlinks=False)
            with opened(work.view_directory) as tree:
                found = inspect(tree)
            entering = self._described(model_id, fetched.manifest, origin, found)
            signature = admit(fetched)
            check()
            placing = {path: files / held_as(path) for path in fetched.files}
            store.place(work, fetched.manifest, placing)
            model = entering.model
            with self._ledger.recording(outcome(model)) as connection:
                _write(connection, entering, fetched.manifest, origin, signature)
            work.kept = True
            self._catalog.entered(model)
            return model

    def confirm(self, grant: Grant, model_id: str) -> CatalogModel:
        """An operator vouches for the SHA-256s of a pinned model: from now on it is `verified`.

        Its files are compared with them first. Raises NotLoadable, DigestMismatch.
        """
        require(grant, Permission.MODEL_CHANGE)
        self._catalog.verify(model_id, actor=grant.actor)
        before = self._catalog.get(model_id)
        if before.trust is Trust.VERIFIED:
            return before
        event = LedgerEvent(
            kind=Kind.MODEL_CHANGED,
            actor=grant.actor,
            subject=model_id,
            outcome="done",
            data={
                "change": "confirmation",
                "digest": before.digest,
                "before": str(before.trust),
                "after": str(Trust.VERIFIED),
            },
        )
        with self._catalog.changing(event, model_id) as connection:
            records.confirm(connection, model_id)
        return self._catalog.get(model_id)

    def _described(
        self, model_id: str, manifest: Manifest, origin: Origin, found: Inspected
    ) -> Published:
        held = self._catalog.get(model_id) if model_id in self._catalog.ids() else None
        if held is not None and held.digest != manifest.digest:
            raise model_exists(model_id)
        model = CatalogModel(
            id=model_id,
            digest=manifest.digest,
            trust=self._judged(model_id, manifest, origin),
            size_bytes=manifest.size_bytes,
            architecture=found.shape.architecture,
            max_context=found.shape.max_context,
            created=held.created if held else self._clock.utc_us() // 1_000_000,
            source=held.source if held else origin.source,
            pinned=held.pinned if held else False,
            note=held.note if held else "",
            licence=held.licence if held else origin.licence or found.licence,
        )
        return Published(model, found.shape, held is not None)

    def _judged(self, model_id: str, manifest: Manifest, origin: Origin) -> Trust:
        """Verified only where every file's SHA-256 was known before a byte of it came."""
        known = self._catalog.known.find(model_id)
        if known is not None:
            return judge(known, manifest)
        return expected_trust(origin.known_by)


def expected_trust(known_by: Mapping[str, str]) -> Trust:
    """What files that are known in these ways make of their model."""
    beforehand = all(by == BY_SHA256 for by in known_by.values())
    return Trust.VERIFIED if known_by and beforehand else Trust.PINNED


def model_exists(model_id: str) -> ModelExists:
    return ModelExists(
        f"{model_id} is in the catalog already, with other files. Pull this one under another "
        "name: --name PUBLISHER/NAME, or delete the other first.",
        param="name",
    )


def _write(
    connection: Connection,
    entering: Published,
    manifest: Manifest,
    origin: Origin,
    signature: Signature,
) -> None:
    model = entering.model
    if entering.held:
        records.set_trust(connection, model.id, model.trust)
    else:
        records.insert_model(connection, model, manifest, entering.shape)
    connection.execute(
        _SET_ORIGIN,
        {"id": model.id, "repo": origin.repo, "revision": origin.commit},
    )
    records.set_signature(connection, model.id, signature)
    connection.execute(
        _SET_KNOWN_BY,
        [{"id": model.id, "path": p, "known_by": by} for p, by in origin.known_by.items()],
    )
