"""The only place that reads the log as tiles: hashes, events and evidence as an export has them.

Each call reads what it answers and lets the database go: events never change, so an export of any
length needs no long transaction, and the write-ahead log can be folded in meanwhile.
"""

import sqlite3
from typing import Final

from sqlalchemy import Engine

from app.authority.ledger.writing import asking_directly
from app.domain.refusals import AuditUnavailable
from app.evidence.tiles import HEIGHT, WIDTH, Tile, bundle
from app.evidence.vocabulary import Kind

_BODIES: Final = "SELECT body FROM ledger_event WHERE seq > ? AND seq <= ? ORDER BY seq"
_LEAVES: Final = "SELECT leaf FROM ledger_event WHERE seq > ? AND seq <= ? ORDER BY seq"
_NODES: Final = "SELECT hash FROM ledger_node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
_SINCE: Final = "SELECT MIN(seq) FROM ledger_index WHERE ts_utc_us >= ?"
_BLOBS: Final = "SELECT digest FROM ledger_blob ORDER BY digest"
_BLOB: Final = "SELECT bytes FROM ledger_blob WHERE digest = ?"
_COSIGNED: Final = (
    "SELECT note FROM ledger_cosignature WHERE id IN"
    " (SELECT MAX(id) FROM ledger_cosignature WHERE size <= ? GROUP BY witness) ORDER BY id"
)
_HANDED_OVER: Final = (
    "SELECT (SELECT note FROM ledger_checkpoint WHERE size >= seq ORDER BY size LIMIT 1)"
    " FROM ledger_index WHERE kind = ? AND seq <= ? ORDER BY seq"
)


def exists(tile: Tile, size: int) -> bool:
    """Whether a log of `size` events has this tile, or had it when it was smaller."""
    level = tile.level or 0
    return tile.index * WIDTH + tile.width <= size >> (HEIGHT * level)


class StoredTiles:
    """Reads only; from any thread. Raises AuditUnavailable where the database fails or has gaps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile that `exists`."""
        with asking_directly(self._engine) as connection:
            return _read(connection, tile)

    def run(self, tiles: list[Tile]) -> list[bytes]:
        """Return several tiles of one row, as one read."""
        with asking_directly(self._engine) as connection:
            return [_read(connection, tile) for tile in tiles]

    def first_since(self, ts_utc_us: int) -> int | None:
        """Return the number of the first event at or after a time; None where there is none yet.

        The clock may have been set back in between: everything after that event is included.
        """
        with asking_directly(self._engine) as connection:
            found: int | None = connection.execute(_SINCE, (ts_utc_us,)).fetchone()[0]
        return found

    def blobs(self) -> list[str]:
        """Return the digests of all evidence that is kept beside the events, sorted."""
        with asking_directly(self._engine) as connection:
            return [row[0] for row in connection.execute(_BLOBS)]

    def blob(self, digest: str) -> bytes | None:
        with asking_directly(self._engine) as connection:
            found = connection.execute(_BLOB, (digest,)).fetchone()
        return None if found is None else bytes(found[0])

    def further_notes(self, size: int) -> list[str]:
        """Return notes that more than today's key signed: each witness's newest, and handovers.

        A handover is the checkpoint whose last event names the log's new key and which the old
        one signed: so somebody who knows only the old key comes to trust the new one.
        """
        with asking_directly(self._engine) as connection:
            cosigned = [row[0] for row in connection.execute(_COSIGNED, (size,))]
            rotated = (str(Kind.SIGNING_KEY_ROTATED), size)
            handed = [row[0] for row in connection.execute(_HANDED_OVER, rotated)]
        return list(dict.fromkeys(note for note in (*handed, *cosigned) if note is not None))


def _read(connection: sqlite3.Connection, tile: Tile) -> bytes:
    start = tile.index * WIDTH
    bounds = (start, start + tile.width)
    if tile.level is None:
        found = [row[0] for row in connection.execute(_BODIES, bounds)]
    elif tile.level == 0:
        found = [row[0] for row in connection.execute(_LEAVES, bounds)]
    else:
        found = [row[0] for row in connection.execute(_NODES, (tile.level, *bounds))]
    if len(found) != tile.width:
        raise AuditUnavailable(
            f"The database has only {len(found)} of the {tile.width} rows of {tile.path}. It was "
            "damaged or cut: look with `lmx ledger verify`, and restore a backup."
        )
    return bundle(found) if tile.level is None else b"".join(found)
