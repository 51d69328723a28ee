"""Removing state of the server: rotated logs, rows of usage before a day, or everything.

Everything is removed while no server runs, by `lmx service remove-state`: what is approved here is
the order for it, which that command compares with the ledger.
"""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from app import files
from app.authority.acts.days import midnight_us
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog.removal import handles
from app.authority.catalog.removal.handles import Foreign, Identity
from app.authority.ledger.usage_digests import UsageDigests
from app.authority.permissions import Permission
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.backups.removing import ORDER, PARTS, foreign
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest

LOGS: Final = "logs"
USAGE: Final = "usage"
EVERYTHING: Final = "everything"
DAY_US: Final = 86_400_000_000
_ROTATED: Final = re.compile(r"server\.log\.[0-9]{1,3}")
"""The log that is being written is none of these."""


class StateRemoval:
    """params: ``{"what": "logs"}``, ``{"what": "usage", "before": "YYYY-MM-DD"}`` in UTC, or
    ``{"what": "everything"}``.
    """

    kind = "state_removal"
    permission = Permission.STATE_REMOVE
    meaning = (
        "Remove old log files, rows of usage that a digest covers, or the whole state. "
        "It cannot be undone."
    )
    phrase = "yes, remove NAME"
    asker_executes = False

    def __init__(self, logs: Path, usage: UsageDigests, clock: Clock) -> None:
        self._logs = logs
        self._usage = usage
        self._clock = clock

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        what = params.get("what")
        if what == LOGS and params.keys() == {"what"}:
            return self._draw_logs()
        if what == USAGE and params.keys() == {"what", "before"}:
            return self._draw_usage(params["before"])
        if what == EVERYTHING and params.keys() == {"what"}:
            return self._draw_everything()
        raise InvalidRequest(
            "Remove {what: logs}, {what: usage, before: YYYY-MM-DD}, or {what: everything}.",
            param="params",
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, self.kind)
        if warrant.plan["subject"] == LOGS:
            return await asyncio.to_thread(self._remove_logs, warrant.plan["files"])
        if warrant.plan["subject"] == EVERYTHING:
            return await asyncio.to_thread(self._order, warrant)
        until_us = warrant.plan["effects"]["until_us"]
        rows = await asyncio.to_thread(self._usage.remove, warrant, until_us)
        # The database keeps the pages for what comes next: nothing is given back to the disk.
        return Effect(done=True, data={"rows": rows})

    # --- everything -------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        return self._logs.parent

    def _draw_everything(self) -> Drawn:
        return Drawn(
            subject=EVERYTHING,
            verb="remove",
            phrase=self.phrase.replace("NAME", EVERYTHING),
            irreversible=True,
            targets=({"kind": "state", "id": str(self._home), "digest": ""},),
            effects={
                "parts": sorted(PARTS),
                "left": list(foreign(self._home)),
                "kept": "a receipt beside the directory: this approval and the newest checkpoint",
                "how": "once the server has ended: lmx service remove-state",
            },
        )

    def _order(self, warrant: Warrant) -> Effect:
        """The order says which approval it is; it is worth what the ledger says of that one."""
        path = self._home / ORDER
        path.parent.mkdir(mode=0o700, exist_ok=True)
        said = {"ask": warrant.ask, "plan": warrant.plan_hash}
        files.replace(path, json.dumps(said).encode() + b"\n")
        return Effect(done=True)

    # --- usage ------------------------------------------------------------------------------

    def _draw_usage(self, before: object) -> Drawn:
        until_us = midnight_us(before, param="before")
        if until_us > self._clock.utc_us() - DAY_US:
            raise InvalidRequest("Usage of the last day stays: choose an earlier day.")
        found = self._usage.removable(until_us)
        if not found.rows:
            raise NotFeasible(
                f"No row of usage before {before} is covered by a digest and still there. Choose a "
                "later day."
            )
        return Drawn(
            subject=USAGE,
            verb="remove usage",
            phrase=self.phrase.replace("NAME", f"usage before {before}"),
            irreversible=True,
            targets=({"kind": "usage", "id": f"rows before {before}", "digest": ""},),
            effects={
                "rows": found.rows,
                "first_id": found.first_id,
                "last_id": found.last_id,
                "until_us": until_us,
                "kept": "the hourly sums and their digests, in the ledger",
            },
        )

    # --- logs -------------------------------------------------------------------------------

    def _draw_logs(self) -> Drawn:
        files: list[dict[str, Any]] = []
        left: list[str] = []
        with handles.opened(self._logs) as folder:
            for name in _rotated(folder):
                try:
                    identity, sha256 = _known(folder, name)
                except (Foreign, OSError) as error:
                    left.append(f"logs/{name} {handles.said(error)}")
                    continue
                row = {"path": f"logs/{name}", "size": identity.size, "sha256": sha256}
                files.append(row | {"fate": "remove"})
        if not files:
            raise NotFeasible("There is no log file that was rotated away.")
        return Drawn(
            subject=LOGS,
            verb="remove logs",
            phrase=self.phrase.replace("NAME", LOGS),
            irreversible=True,
            targets=({"kind": "logs", "id": LOGS, "digest": ""},),
            files=tuple(files),
            bytes_freed=sum(int(row["size"]) for row in files),
            effects={"left": left},
        )

    def _remove_logs(self, files: list[Mapping[str, Any]]) -> Effect:
        freed, gone, failed = 0, 0, []
        with handles.opened(self._logs) as folder:
            for row in files:
                name = row["path"].removeprefix("logs/")
                if handles.look(folder, name) is None:
                    continue  # gone already: this act is resumed
                try:
                    identity, sha256 = _known(folder, name)
                    if sha256 != row["sha256"]:
                        raise Foreign("is not the file of the plan any more")
                    freed += handles.remove(folder, name, identity)
                    gone += 1
                except (Foreign, OSError) as error:
                    failed.append(f"{row['path']} {handles.said(error)}")
        return Effect(done=not failed, freed_bytes=freed, files=gone, failed=tuple(failed))


def _rotated(folder: int) -> Iterator[str]:
    return (name for name in handles.names(folder) if _ROTATED.fullmatch(name))


def _known(folder: int, name: str) -> tuple[Identity, str]:
    """Which file this is, and the SHA-256 of its bytes. Raises Foreign, OSError."""
    with handles.file(folder, name) as descriptor:
        sha256 = hashlib.sha256()
        while chunk := os.read(descriptor, 1 << 20):
            sha256.update(chunk)
        return handles.identity(folder, os.fstat(descriptor)), sha256.hexdigest()
