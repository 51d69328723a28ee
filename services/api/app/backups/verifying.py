"""Reads a backup to its last byte and says everything that is wrong with it."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import files
from app.backups import places
from app.backups.contents import (
    CHECKSUM,
    DATABASE,
    MANIFEST,
    MEMORY,
    Manifest,
    ManifestInvalid,
    checksum_line,
)
from app.backups.snapshot import damage_in, facts_of, looking, root_at
from app.domain.revisions import REVISIONS
from app.evidence.verification import NotReadable, TargetInvalid, of_copy, verify_database
from app.evidence.verification.memory import MemoryInvalid, read_memory

Progress = Callable[[int, int], None]
"""(done, of) in events."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found. `wrong` and `notes` are sentences; without `wrong` the backup is whole."""

    path: Path
    manifest: Manifest | None = None
    digest: str = ""
    wrong: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        return not self.wrong

    def as_dict(self) -> dict[str, Any]:
        found = self.manifest
        about: dict[str, Any] = {}
        if found is not None:
            about = {
                "name": found.name,
                "release": found.release,
                "schema": found.schema,
                "made_us": found.made_us,
                "size": found.size,
                "root": found.root,
                "events": found.events,
                "size_bytes": found.size_bytes,
                "manifest": self.digest,
                "models": [{"id": m.id, "digest": m.digest} for m in found.models],
            }
        said = {"wrong": self.wrong, "checked": self.checked, "notes": self.notes}
        return {
            "backup": str(self.path),
            "holds": self.holds,
            **about,
            **{name: list(lines) for name, lines in said.items()},
        }


def verify(path: Path, *, progress: Progress = lambda _done, _size: None) -> Verified:
    """Read the backup at `path`. Raises nothing: whatever is wrong is in the answer."""
    try:
        manifest, digest = manifest_of(path)
    except ManifestInvalid as error:
        return Verified(path, wrong=(f"The manifest {error}.",))
    wrong = list(_files(path, manifest))
    if manifest.schema not in REVISIONS:
        wrong.append(
            f"Its database has the schema {manifest.schema}; this release knows up to "
            f"{REVISIONS[-1]}. Use release {manifest.release}, which made it."
        )
    if wrong:
        return Verified(path, manifest, digest, wrong=tuple(wrong))
    checked = [f"{len(manifest.files)} files, {manifest.size_bytes:,} bytes: as the manifest says."]
    notes: list[str] = []
    wrong += _database(path, manifest)
    if not wrong and manifest.schema == REVISIONS[-1]:
        wrong += _ledger(path, manifest, progress, checked, notes)
    elif not wrong:
        notes.append(
            f"The ledger was not verified: it is of schema {manifest.schema}, and this release "
            "verifies it once it was brought up to date."
        )
    return Verified(path, manifest, digest, tuple(wrong), tuple(checked), tuple(notes))


def manifest_of(path: Path) -> tuple[Manifest, str]:
    """Return the manifest and its SHA-256; raises ManifestInvalid."""
    try:
        content = files.read(path / MANIFEST)
    except OSError as error:
        raise ManifestInvalid(
            f"{path / MANIFEST} cannot be read ({error.strerror}): {path} is no backup, or not "
            "all of one"
        ) from None
    try:
        line = files.read(path / CHECKSUM)
    except OSError as error:
        raise ManifestInvalid(f"has no checksum: {CHECKSUM}: {error.strerror}") from None
    expected = checksum_line(content)
    manifest = Manifest.decoded(content)
    if line != expected:
        raise ManifestInvalid(f"is not the one that {CHECKSUM} was made for: one was changed")
    return manifest, expected[:64].decode()


def _files(path: Path, manifest: Manifest) -> Iterator[str]:
    named = {file.path: file for file in manifest.files}
    for extra in sorted(set(places.listed(path)) - named.keys() - {MANIFEST, CHECKSUM}):
        yield f"{extra} is not part of the backup: somebody put it there. Move it away."
    for name, file in named.items():
        try:
            found = places.known(path, name)
        except FileNotFoundError:
            yield f"{name} is missing."
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}."
        else:
            if found.size != file.size:
                yield f"{name} has {found.size:,} bytes instead of {file.size:,}."
            elif found != file:
                yield f"{name} was changed: its SHA-256 is not the manifest's."
    if DATABASE not in named:
        yield f"{DATABASE} is not in it: without the database it is no backup."


def _database(path: Path, manifest: Manifest) -> Iterator[str]:
    try:
        with looking(path / DATABASE) as connection:
            if damage := damage_in(connection, thoroughly=True):
                yield f"The database is damaged: {damage}."
                return
            found = facts_of(connection)
            root = root_at(connection, manifest.size).hex() if manifest.size else manifest.root
    except (sqlite3.Error, TypeError) as error:
        yield f"The database cannot be read: {error}."
        return
    said = (manifest.schema, manifest.events, manifest.models)
    if (found.schema, found.events, found.models) != said:
        yield "The database is not the one that the manifest describes."
    elif manifest.size > manifest.events or root != manifest.root:
        yield "The manifest's root is not the one over the database's events."
    yield from _signed(path, manifest)


def _signed(path: Path, manifest: Manifest) -> Iterator[str]:
    """Whether the manifest says of the signer what its memory says."""
    said = (manifest.origin, manifest.size, manifest.root)
    try:
        head = read_memory(path / MEMORY) if files.present(path / MEMORY) else None
    except (OSError, MemoryInvalid) as error:
        yield f"The signer's memory in it cannot be read: {error}."
        return
    if said != (("", 0, "") if head is None else (head.origin, head.size, head.root.hex())):
        yield "The signer's memory in it is not the one that the manifest describes."


def _ledger(
    path: Path, manifest: Manifest, progress: Progress, checked: list[str], notes: list[str]
) -> Iterator[str]:
    memory = path / MEMORY if files.present(path / MEMORY) else None
    try:
        report = verify_database(of_copy(path / DATABASE, memory=memory), progress=progress)
    except (NotReadable, TargetInvalid) as error:
        yield f"The ledger cannot be verified: {error}"
        return
    for finding in report.findings:
        yield f"{finding.part}: {finding.sentence}"
    checked += [*report.checked, report.verdict]
    notes += report.unchecked
    if report.size != manifest.events:
        yield "The ledger is not the one that the manifest describes."
