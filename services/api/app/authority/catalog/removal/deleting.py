"""How a model goes into the trash. The files first, by a note that is durable before them; then the
rows, in one transaction."""

from dataclasses import replace
from typing import Final

import structlog

from app.authority.catalog.removal import handles, moving, purging, rows
from app.authority.catalog.removal.bin import Bin, Uses
from app.authority.catalog.removal.entry import (
    ID_LENGTH,
    MAX_NOTE_BYTES,
    NOTE,
    Entry,
    Kept,
    entry_id,
    parse,
)
from app.authority.catalog.removal.handles import Foreign
from app.authority.catalog.removal.moving import Places
from app.authority.catalog.removal.purging import Removed
from app.authority.ledger.writing import writing
from app.authority.warrants import Warrant, require_warrant
from app.domain.refusals import PlanStale

log = structlog.get_logger(__name__)

DELETE: Final = "model_delete"


class Deleting:
    def __init__(self, parts: Bin) -> None:
        self._bin = parts

    def delete(self, warrant: Warrant) -> tuple[Removed, str]:
        """Move a model into the trash; returns what could not be moved, and the entry's id.

        Frees nothing yet. Safe to call again with the same warrant. Raises Refusals, Foreign,
        OSError and OtherVolume: then nothing was changed.
        """
        require_warrant(warrant, DELETE)
        model_id = str(warrant.plan["subject"])
        with self._bin.alone():
            done = self._done_before(warrant)
            if done is not None:
                return done
            with self._bin.places() as at:
                entry = self._entry(at, warrant, model_id)
                try:
                    with handles.inside(at.trash, entry.id, make=True) as home:
                        handles.write(home, NOTE, entry.as_json())
                    failed = (*entry.failed, *moving.to_trash(at, entry))
                    self._record_deleted(replace(entry, failed=failed))
                except BaseException:
                    self._take_back(at, entry)
                    raise
            self._bin.catalog.refresh(model_id)
            self._bin.changed()
        return Removed(files=len(entry.files), failed=list(failed)), entry.id

    def _done_before(self, warrant: Warrant) -> tuple[Removed, str] | None:
        for known in self._bin.all():
            if known.plan == warrant.plan_hash:
                self._bin.catalog.refresh(known.model_id)
                _, entry = self._bin.get(known.id)
                return Removed(files=len(entry.files), failed=list(entry.failed)), known.id
        return None

    def _entry(self, at: Places, warrant: Warrant, model_id: str) -> Entry:
        uses = self._bin.uses(model_id)
        with self._bin.engine.connect() as connection:
            model = uses.rows["model"][0]
            _refuse_another(model_id, model["digest"], warrant)
            shared_view = rows.shares_view(connection, model_id, model["digest"])
            receipts = rows.receipts(connection, model_id)
            plan = warrant.plan_hash
            ids = [plan[i : i + ID_LENGTH] for i in range(len(plan) - ID_LENGTH + 1)]
            taken = rows.plans_of(connection, ids)
        files, failed = moving.examine(at, model["digest"], _files(uses), receipts)
        entry = Entry(
            id=entry_id(plan, taken),
            ask=warrant.ask,
            plan=plan,
            model_id=model_id,
            digest=model["digest"],
            shared_view=shared_view,
            files=files,
            rows=uses.rows,
            failed=tuple(failed),
        )
        return self._as_begun(at, entry)

    def _as_begun(self, at: Places, entry: Entry) -> Entry:
        """The entry as an interrupted attempt noted it: it saw the files where they were."""
        try:
            with handles.inside(at.trash, entry.id) as home:
                noted = parse(handles.read(home, NOTE, limit=MAX_NOTE_BYTES))
        except (FileNotFoundError, Foreign, ValueError):
            return entry
        return noted if (noted.plan, noted.digest) == (entry.plan, entry.digest) else entry

    def _record_deleted(self, entry: Entry) -> None:
        now_us = self._bin.clock.utc_us()
        with writing(self._bin.engine) as connection:
            after = now_us + self._bin.grace_s() * 1_000_000
            rows.put(connection, entry, now_us=now_us, purge_after_us=after)

    def _take_back(self, at: Places, entry: Entry) -> None:
        """What cannot be put back now is put back by the next start: its note stays."""
        try:
            moving.from_trash(at, entry)
            purging.tidy(at, entry)
        except (Foreign, OSError) as error:
            log.error("deletion_not_taken_back", trash=entry.id, why=handles.said(error))


def _refuse_another(model_id: str, digest: str, warrant: Warrant) -> None:
    """A model that took the name after the plan was drawn is not what was approved."""
    if digest not in {target["digest"] for target in warrant.plan["targets"]}:
        raise PlanStale(
            f"{model_id} has other files than those whose deletion was approved. Ask again."
        )


def _files(uses: Uses) -> list[Kept]:
    return [
        Kept(
            path=row["path"],
            size=row["size"],
            sha256=row["sha256"],
            alone=row["sha256"] not in uses.shared,
            adopted=row["adopted_path"] is not None,
        )
        for row in uses.rows["artifact"]
    ]
