"""Removes the whole state of a server, once its ledger says that this was approved.

What is removed is named here; whatever else lies in the directory is somebody's own and stays. The
last word of the ledger is written outside first: the approval's event and the newest checkpoint.
"""

import json
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app import files
from app.backups.contents import DATABASE, LEDGER, SETTINGS, SIGNERS, UPGRADING
from app.backups.mark import MARK
from app.domain.refusals import BackupRefused
from app.evidence.verification.opening import NotReadable, address, reading
from app.evidence.vocabulary import Kind

ORDER: Final = "run/removal.json"
"""What the approved act leaves: which ask, by which plan. Worth what the ledger says of it."""

PARTS: Final = (
    "store",
    "trash",
    "logs",
    "replaced",
    "backups",
    ".restoring",
    *SETTINGS,
    "operator.key.new",
    SIGNERS,
    *(name for name in UPGRADING if "/" not in name),
    f"{DATABASE}-journal",
    f"{DATABASE}-shm",
    f"{DATABASE}-wal",
    DATABASE,
    LEDGER,
    "run",
    "server.lock",
)
"""In this order: until the ledger goes, what is left can be looked at; the order goes near last."""

_BACKWARDS: Final = "SELECT body FROM ledger_event ORDER BY seq DESC"
_NEWEST: Final = "SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Removed:
    """`left` lies in the home still: what is not LMX's, or could not be removed, and why."""

    parts: tuple[str, ...]
    left: tuple[str, ...]
    receipt: Path


def foreign(home: Path) -> tuple[str, ...]:
    """Names in `home` that are not LMX's, and links in the place of what is."""
    return tuple(sorted(p.name for p in home.iterdir() if p.name not in PARTS or p.is_symlink()))


def approved(home: Path) -> dict[str, Any]:
    """The event that says the removal was approved and done; BackupRefused where there is none."""
    if files.present(home / MARK):
        raise BackupRefused(
            "A backup was restored here, and no start has recorded it: an approval in it may be "
            "of long ago. Start the server and ask again: lmx service remove-state"
        )
    try:
        order = json.loads(files.read(home / ORDER))
        plan, ask = str(order["plan"]), str(order["ask"])
    except FileNotFoundError:
        raise BackupRefused(
            "Nobody has approved that everything is removed. Start the server and ask for it: "
            "lmx service remove-state"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupRefused(f"{home / ORDER} cannot be read: ask for the removal again.") from error
    try:
        with reading(address(home / DATABASE)) as connection:
            event = _said(connection, ask, plan)
    except (sqlite3.Error, NotReadable, ValueError, KeyError, TypeError) as error:
        raise BackupRefused(
            f"The ledger cannot be read ({error}), so it cannot say whether this was approved. "
            f"If you are sure, remove {home} by hand."
        ) from error
    if event is None:
        raise BackupRefused(
            "The ledger does not say that this was approved since the server was last started. "
            "Start it and ask again: lmx service remove-state"
        )
    return event


def _said(connection: sqlite3.Connection, ask: str, plan: str) -> dict[str, Any] | None:
    """The act's outcome in the last run of the server: whoever starts it again goes on using it."""
    for (body,) in connection.execute(_BACKWARDS):
        fields: dict[str, Any] = json.loads(bytes(body))
        if fields["kind"] == Kind.BOOT:
            return None
        if fields["kind"] == Kind.ACT_OUTCOME and fields["outcome"] == "done":
            said = fields["data"]
            if (said["act"], said["plan"], said.get("ask")) == ("state_removal", plan, ask):
                return fields
    return None


def remove(home: Path, receipt: Path) -> Removed:
    """Remove the parts, after `receipt` is on the disk. The home is held by the caller.

    Raises BackupRefused and removes nothing where it was not approved or the receipt cannot be
    written; may be called again where it was cut off.
    """
    event = approved(home)
    with reading(address(home / DATABASE)) as connection:
        newest = connection.execute(_NEWEST).fetchone()
    said = {"removed": str(home), "approved_by": event, "checkpoint": newest[0] if newest else None}
    try:
        files.write(receipt, json.dumps(said, indent=1, sort_keys=True).encode() + b"\n")
        files.sync_folder(receipt.parent)
    except OSError as error:
        raise BackupRefused(
            f"The receipt {receipt} cannot be written ({error.strerror}), so nothing was removed."
        ) from error
    gone, kept = [], list(foreign(home))
    for name in PARTS:
        path = home / name
        if not os.path.lexists(path) or path.is_symlink():
            continue
        try:
            _remove(path)
            gone.append(name)
        except OSError as error:
            kept.append(f"{name} ({error.strerror or error})")
    if not kept:
        try:
            home.rmdir()
        except OSError as error:  # a link, or where a volume hangs: empty, and somebody's own
            kept.append(f"{home.name} itself ({error.strerror or error})")
    return Removed(tuple(gone), tuple(kept), receipt)


def _remove(path: Path) -> None:
    """Links inside are removed, never followed (rmtree goes by directory descriptors)."""
    if path.is_dir():
        _open_views(path)
        shutil.rmtree(path)
    else:
        path.unlink()


def _open_views(folder: Path) -> None:
    """The store closes the directories of its models; whoever removes them opens them first."""
    for place, names, _ in os.walk(folder, followlinks=False):
        for name in names:
            inner = Path(place) / name
            if not inner.is_symlink():
                inner.chmod(0o700)
