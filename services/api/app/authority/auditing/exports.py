"""Use case: take the ledger away, as tiles that others can verify without this server.

An export begins with its own record: the event says who took what and why, and the checkpoint that
the export is held under covers that very event.
"""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Protocol

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.tiles import StoredTiles, exists
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, InvalidRequest, ProofUnavailable
from app.evidence.checkpoints import Checkpoint
from app.evidence.notes import Note, VerifierKey
from app.evidence.tiles import WIDTH, Tile, TileInvalid, entry_bundles, leaf_tiles
from app.evidence.vocabulary import Kind

TILES_AT_ONCE: Final = 16
"""Tiles that one read takes from the database: 4,096 events, a few megabytes at most."""
MAX_TILES: Final = 1 << 16
"""Tiles that one answer may carry: 16 million events."""

NoteRead = Callable[[Actor, str], object]
"""Records that somebody read a part of the ledger; equal reads are counted together. May wait."""


class ExportedLedger(Protocol):
    """What an export needs of the ledger."""

    def append(self, event: LedgerEvent, /) -> Any: ...
    def size(self) -> int: ...
    def settle(self) -> None: ...
    def checkpoint(self) -> Note | None: ...


@dataclass(frozen=True, slots=True)
class Exports:
    """Each method asks for a grant first. Tiles are those of the newest signed checkpoint."""

    ledger: ExportedLedger
    tiles: StoredTiles
    keys: Callable[[], Sequence[VerifierKey]]
    witnesses: Sequence[str]
    note_read: NoteRead

    async def begin(
        self, actor: Actor, *, since: int | str | None = None, purpose: str | None = None
    ) -> dict[str, Any]:
        """Record the export and return what it is held under: a note, keys, digests of evidence."""
        grant(actor, Permission.LEDGER_EXPORT)
        return await asyncio.to_thread(self._begin, actor, since, purpose)

    async def checkpoint(self, actor: Actor) -> str:
        """Return the newest checkpoint as a C2SP note."""
        grant(actor, Permission.LEDGER_EXPORT)
        return str(_signed(self.ledger))

    async def tile(self, actor: Actor, path: str) -> bytes:
        """Return one tile or entry bundle by its C2SP path."""
        grant(actor, Permission.LEDGER_EXPORT, subject=path[:200])
        try:
            tile = Tile.parse(path)
        except TileInvalid as error:
            raise ProofUnavailable(f"There is no such tile: {error}.") from error
        size = _covered(_signed(self.ledger)).size
        if not exists(tile, size):
            raise ProofUnavailable(
                f"The log has no {tile.path}: its checkpoint covers {size} events."
            )
        await self._note(actor, "tiles")
        return await asyncio.to_thread(self.tiles.tile, tile)

    async def stream(
        self, actor: Actor, *, leaves: bool, first: int, count: int, size: int | None = None
    ) -> AsyncIterator[bytes]:
        """Return many bundles (or level 0 tiles) in one go, each behind four bytes of length.

        `size` is that of a checkpoint, so that an export which takes long ends where it began to.
        """
        grant(actor, Permission.LEDGER_EXPORT)
        covered = _covered(_signed(self.ledger)).size
        size = covered if size is None else size
        tiles = leaf_tiles(size, first) if leaves else entry_bundles(size, first)
        wanted = list(islice(tiles, min(count, MAX_TILES)))
        if not wanted or size > covered:
            raise ProofUnavailable(
                f"The log has no tiles from number {first} on for {size} events: its checkpoint "
                f"covers {covered}."
            )
        await self._note(actor, "leaves" if leaves else "entries")
        return self._framed(wanted)

    async def blob(self, actor: Actor, digest: str) -> bytes:
        """Return a piece of evidence by its SHA-256."""
        grant(actor, Permission.LEDGER_EXPORT, subject=digest[:64])
        found = await asyncio.to_thread(self.tiles.blob, digest)
        if found is None:
            raise ProofUnavailable(f"No evidence with the digest {digest[:64]} is kept here.")
        await self._note(actor, "evidence")
        return found

    async def _note(self, actor: Actor, what: str) -> None:
        await asyncio.to_thread(self.note_read, actor, what)

    def _begin(self, actor: Actor, since: int | str | None, purpose: str | None) -> dict[str, Any]:
        from_seq = self._from_seq(since)
        blobs = self.tiles.blobs()
        asked = {"since": None if since is None else str(since), "purpose": purpose}
        event = LedgerEvent(
            Kind.LEDGER_EXPORTED,
            actor,
            data={
                "size": self.ledger.size(),
                "from_seq": from_seq,
                **{name: text for name, text in asked.items() if text},
                "blobs": len(blobs),
                "blobs_sha256": digest_of_list(blobs),
            },
        )
        seq = self.ledger.append(event).seq
        self.ledger.settle()
        note = _signed(self.ledger)
        size = _covered(note).size
        return {
            "event": seq,
            "from_seq": from_seq,
            "first_bundle": (from_seq - 1) // WIDTH,
            "size": size,
            "checkpoint": str(note),
            "keys": [*map(str, self.keys()), *self.witnesses],
            "notes": self.tiles.further_notes(size),
            "blobs": blobs,
        }

    def _from_seq(self, since: int | str | None) -> int:
        """Return the first event that is wanted; past the newest one, that is the export's own."""
        following = self.ledger.size() + 1
        if since is None:
            return 1
        if isinstance(since, int):
            return max(1, min(since, following))
        ts_utc_us = instant_us(since)
        self.ledger.settle()
        return self.tiles.first_since(ts_utc_us) or following

    async def _framed(self, wanted: list[Tile]) -> AsyncIterator[bytes]:
        for at in range(0, len(wanted), TILES_AT_ONCE):
            found = await asyncio.to_thread(self.tiles.run, wanted[at : at + TILES_AT_ONCE])
            yield b"".join([part for one in found for part in (struct.pack(">I", len(one)), one)])


def instant_us(text: str) -> int:
    """Read an ISO 8601 date or time, UTC where it names no zone, as microseconds since 1970."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            "`since` is an event's number, or a date or time as in 2026-01-31 or "
            "2026-01-31T12:00:00Z.",
            param="since",
        ) from error
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    since_epoch = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds


def digest_of_list(digests: Sequence[str]) -> str:
    """SHA-256 over sorted digests, one a line: what binds the evidence to the export's event."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def _signed(ledger: ExportedLedger) -> Note:
    note = ledger.checkpoint()
    if note is None:
        raise AuditUnavailable("The ledger has no signed checkpoint yet. Record something first.")
    return note


def _covered(note: Note) -> Checkpoint:
    return Checkpoint.parse(note.text)
