"""How a model comes out of the trash, and how the disk is brought to what the rows say.

What was moved without a row is put back, what has a row stays moved: after a start the catalog says
that a model is in the trash exactly when the disk does.
"""

from contextlib import suppress
from dataclasses import replace

import structlog

from app.authority.catalog.removal import handles, moving, purging, rows
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.entry import MAX_NOTE_BYTES, NOTE, VIEW, Entry, parse
from app.authority.catalog.removal.handles import Foreign
from app.authority.catalog.removal.moving import OtherVolume, Places
from app.authority.catalog.removal.rows import Trashed
from app.authority.catalog.verification import WrongBytes, check_files
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.runs import Begun
from app.authority.permissions import Grant, Permission, require
from app.domain.models import Artifact, CatalogModel, Manifest
from app.domain.refusals import RestoreRefused
from app.evidence.vocabulary import Kind

log = structlog.get_logger(__name__)


class Restoring:
    def __init__(self, parts: Bin) -> None:
        self._bin = parts

    def restore(self, grant: Grant, trash_id: str) -> CatalogModel:
        """Put a model back as it was, after its bytes were hashed; all of it, or nothing.

        Raises TrashNotFound, RestoreRefused.
        """
        require(grant, Permission.STORE_RESTORE)
        with self._bin.alone():
            known, entry = self._bin.get(trash_id)
            self._refuse_restore(known)
            manifest = Manifest(
                tuple(sorted(Artifact(file.path, file.size, file.sha256) for file in entry.files))
            )
            try:
                check_files(
                    self._bin.directory / entry.id / VIEW,
                    manifest,
                    {},
                    now_us=self._bin.clock.utc_us,
                    adopted={
                        row["path"]: row["adopted_path"]
                        for row in entry.rows["artifact"]
                        if row["adopted_path"] is not None
                    },
                )
                with self._bin.places() as at:
                    self._put_back(at, grant, moving.recognized(at, entry))
            except (WrongBytes, Foreign, OSError, OtherVolume) as error:
                raise RestoreRefused(
                    f"{entry.model_id} cannot be restored: {handles.said(error)}. Import or pull "
                    "it again.",
                    details={"trash": entry.id},
                ) from error
            self._bin.catalog.refresh(entry.model_id)
            self._bin.changed()
            return self._bin.catalog.get(entry.model_id)

    def _put_back(self, at: Places, grant: Grant, entry: Entry) -> None:
        begun = Begun(self._bin.clock.utc_us(), {"trash": entry.id})
        try:
            moving.from_trash(at, entry)
            self._record_restored(grant, entry, begun)
        except BaseException:
            with suppress(Foreign, OSError):  # otherwise the next start does it
                self._back_to_trash(at, entry)
            raise
        with suppress(Foreign, OSError):  # as above
            purging.tidy(at, entry)

    def _refuse_restore(self, known: Trashed) -> None:
        if known.state != "trashed":
            raise RestoreRefused(f"What {known.id} held is {known.state}: nothing can be restored.")
        if known.model_id in self._bin.catalog.ids():
            same = self._bin.catalog.get(known.model_id).digest == known.digest
            raise RestoreRefused(
                f"{known.model_id} is in the catalog again, with "
                f"{'the same' if same else 'other'} files. Delete it first: "
                f"lmx models delete {known.model_id}",
                details={"trash": known.id},
            )

    def _record_restored(self, grant: Grant, entry: Entry, begun: Begun) -> None:
        event = LedgerEvent(
            kind=Kind.MODEL_RESTORED,
            actor=grant.actor,
            subject=entry.model_id,
            outcome="done",
            data={"digest": entry.digest, "trash": entry.id},
        )
        now_us = self._bin.clock.utc_us()
        told = self._bin.ledger.runs.told(event, begun, ended_us=now_us)
        with self._bin.ledger.recording(told) as connection:
            rows.put_back(connection, entry, now_us=now_us)

    def settle(self) -> list[str]:
        """Bring the disk to what the rows say; returns what it cannot. Called once, at start."""
        failed: list[str] = []
        with self._bin.alone(), self._bin.places() as at:
            for name in handles.names(at.trash):
                try:
                    self._settle(at, name)
                except (Foreign, OSError, OtherVolume, ValueError) as error:
                    failed.append(f"trash/{ascii(name)[1:-1]}: {handles.said(error)}")
        for failure in failed:
            log.error("trash_not_settled", what=failure)
        return failed

    def _settle(self, at: Places, name: str) -> None:
        with handles.inside(at.trash, name) as home:
            if not handles.names(home):
                handles.remove_folder(at.trash, name)  # died before it could say what it meant
                return
            if handles.look(home, NOTE) is None:
                self._settle_unnoted(at, name, home)
                return
            noted = parse(handles.read(home, NOTE, limit=MAX_NOTE_BYTES))
        with self._bin.engine.connect() as connection:
            found = rows.find(connection, name)
        if found is None or found[0].plan != noted.plan or found[0].state == "restored":
            moving.from_trash(at, noted)
            purging.tidy(at, noted)
        elif found[0].state == "trashed":
            self._back_to_trash(at, found[1])
        elif found[0].state == "purged":
            purging.finish(at, found[1])

    def _settle_unnoted(self, at: Places, name: str, home: int) -> None:
        """Without a note nothing was moved yet: only the note that was being written is there."""
        begun = f"{NOTE}.new"
        if handles.names(home) == [begun]:
            handles.discard(home, begun)
            handles.remove_folder(at.trash, name)

    def _back_to_trash(self, at: Places, entry: Entry) -> None:
        """After a restore that was not recorded."""
        with self._bin.engine.connect() as connection:
            files = [
                replace(file, alone=file.alone and not rows.is_used(connection, file.sha256))
                for file in entry.files
            ]
            shared_view = entry.shared_view or rows.is_viewed(connection, entry.digest)
        moving.to_trash(at, replace(entry.with_files(files), shared_view=shared_view))
