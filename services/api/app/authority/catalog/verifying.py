"""Compares a model's files with what was taken in and records what came of it.

A load believes receipts; whoever asks for a verification has every byte read again.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from app.authority.catalog import records
from app.authority.catalog.blobs import BlobStore
from app.authority.catalog.intake import Watch
from app.authority.catalog.known import KnownModels
from app.authority.catalog.trust import judge
from app.authority.catalog.verification import Checked, WrongBytes, check_files
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.runs import Begun
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.models import CatalogModel, Manifest, Trust
from app.domain.refusals import DigestMismatch, NotLoadable
from app.evidence.vocabulary import Kind

MAX_NAMED: Final = 100


class Verifying:
    """May be called from any thread. `changed` is told which model's row is another now."""

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        clock: Clock,
        store: BlobStore,
        known: KnownModels,
        *,
        changed: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._store = store
        self._known = known
        self._changed = changed
        with engine.connect() as connection:
            self.receipts = records.receipts(connection)

    def verify(
        self,
        model: CatalogModel,
        manifest: Manifest,
        *,
        full: bool,
        actor: Actor,
        watch: Watch | None = None,
    ) -> Path:
        """As `Catalog.verify`."""
        if not model.trust.loadable and not full:
            raise NotLoadable(
                f"{model.id} is in quarantine: its files were not those that were imported. Put "
                f"them back: lmx models verify {model.id} --repair"
            )
        view = self._store.view(model.digest)
        with self._engine.connect() as connection:
            adopted = records.adopted(connection, model.id)
        begun = Begun(self._clock.utc_us(), {"digest": model.digest, "full": full})
        try:
            checked = check_files(
                view,
                manifest,
                {} if full else self.receipts,
                now_us=self._clock.utc_us,
                adopted=adopted,
                watch=watch,
            )
        except WrongBytes as wrong:
            raise self._quarantined(model, wrong, actor, begun) from wrong
        except OSError as error:
            # A disk that fails says nothing about the bytes: refused, but not put in quarantine.
            raise NotLoadable(
                f"The files of {model.id} cannot be read ({error.strerror}). Check the disk, then: "
                f"lmx models verify {model.id}"
            ) from error
        if checked.receipts:
            self._record(model, manifest, checked, actor, begun)
        return view

    def _record(
        self, model: CatalogModel, manifest: Manifest, checked: Checked, actor: Actor, begun: Begun
    ) -> None:
        receipts = checked.receipts
        trusted = replace(model, trust=self._trust_of(model, manifest))
        event = LedgerEvent(
            kind=Kind.MODEL_VERIFIED,
            actor=actor,
            subject=model.id,
            outcome="done",
            data={
                "digest": model.digest,
                "hashed_bytes": checked.hashed_bytes,
                "files": len(receipts),
            },
        )
        with self._ledger.recording(self._ended(event, begun)) as connection:
            records.put_receipts(connection, receipts)
            if trusted != model:
                records.set_trust(connection, model.id, trusted.trust)
        self._changed(model.id)
        self.receipts.update({receipt.sha256: receipt for receipt in receipts})

    def _trust_of(self, model: CatalogModel, manifest: Manifest) -> Trust:
        """What it was before it was in quarantine: its bytes are the same again."""
        if model.trust.loadable:
            return model.trust
        known = self._known.find(model.id)
        if known is not None:
            return judge(known, manifest)
        with self._engine.connect() as connection:
            vouched = records.vouched_for(connection, model.id)
        return Trust.VERIFIED if vouched else Trust.PINNED

    def _quarantined(
        self, model: CatalogModel, wrong: WrongBytes, actor: Actor, begun: Begun
    ) -> DigestMismatch:
        """Record that the model may not be loaded any more; the refusal to raise."""
        event = LedgerEvent(
            kind=Kind.MODEL_VERIFIED,
            actor=actor,
            subject=model.id,
            outcome="digest_mismatch",
            data={"digest": model.digest, "path": wrong.path, "trust": str(Trust.QUARANTINED)},
        )
        ended = self._ended(event, begun)
        with self._ledger.recording(ended) as connection:
            records.set_trust(connection, model.id, Trust.QUARANTINED)
        self._changed(model.id)
        mismatch = DigestMismatch(
            f"{model.id} is in quarantine: {wrong}. Put it right (lmx models verify {model.id} "
            "--repair), or import it again from a copy that you trust.",
            details={"path": wrong.path, "paths": [w.shown for w in wrong.wrong[:MAX_NAMED]]},
        )
        mismatch.run = str(ended.data["run"])
        return mismatch

    def _ended(self, event: LedgerEvent, begun: Begun) -> LedgerEvent:
        """`event` with the run of the attempt that it ends."""
        return self._ledger.runs.told(event, begun, ended_us=self._clock.utc_us())
