"""The catalog's rows on their way into the trash and back, and the table `trash`.

Who needs a file is asked of the index `artifact_sha256`: no directory is walked for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, text

from app.authority.catalog import chains
from app.authority.catalog.removal.entry import Entry, parse
from app.authority.catalog.removal.handles import Identity

LIVE: Final = ("trashed", "partial", "purging")
"""States in which an entry still has bytes."""

_OF_MODEL: Final = {
    "model": text("SELECT * FROM model WHERE id = :id"),
    "artifact": text("SELECT * FROM artifact WHERE model_id = :id ORDER BY path"),
    # `fallbacks` is a JSON list of ids, and none of those needs escaping.
    "model_alias": text(
        "SELECT * FROM model_alias WHERE model_id = :id"
        """ OR instr(fallbacks, '"' || :id || '"') > 0 ORDER BY alias"""
    ),
    "model_terms": text("SELECT * FROM model_terms WHERE model_id = :id"),
}
_RECEIPTS: Final = text(
    "SELECT sha256, ino, size FROM receipt"
    " WHERE sha256 IN (SELECT sha256 FROM artifact WHERE model_id = :id)"
)
_SHARED: Final = text(
    "SELECT DISTINCT sha256 FROM artifact AS mine WHERE model_id = :id AND EXISTS"
    " (SELECT 1 FROM artifact AS other WHERE other.sha256 = mine.sha256 AND other.model_id <> :id"
    " AND other.adopted_path IS NULL)"
)
_SHARING: Final = text(
    "SELECT DISTINCT other.model_id FROM artifact AS mine"
    " JOIN artifact AS other ON other.sha256 = mine.sha256 AND other.model_id <> mine.model_id"
    " AND other.adopted_path IS NULL WHERE mine.model_id = :id ORDER BY other.model_id"
)
_SAME_DIGEST: Final = text(
    "SELECT EXISTS (SELECT 1 FROM model WHERE digest = :digest AND id <> :id)"
)
_USED: Final = text(
    "SELECT EXISTS (SELECT 1 FROM artifact WHERE sha256 = :sha256 AND adopted_path IS NULL)"
)
_ALL_USED: Final = text("SELECT DISTINCT sha256 FROM artifact WHERE adopted_path IS NULL")
_VIEWED: Final = text("SELECT EXISTS (SELECT 1 FROM model WHERE digest = :digest)")
_DELETE: Final = (
    text("DELETE FROM model_terms WHERE model_id = :id"),
    text("DELETE FROM artifact WHERE model_id = :id"),
    text("DELETE FROM model WHERE id = :id"),
)
_MODEL_IDS: Final = text("SELECT id FROM model")
_FORGET: Final = text(
    "DELETE FROM receipt WHERE sha256 = :sha256"
    " AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = :sha256)"
)
_PUT_TRASH: Final = text(
    "INSERT INTO trash (id, model_id, digest, ask, plan, state, size_bytes, trashed_us,"
    " purge_after_us, model_row) VALUES (:id, :model_id, :digest, :ask, :plan, 'trashed',"
    " :size_bytes, :trashed_us, :purge_after_us, :model_row)"
)
_TRASH: Final = text("SELECT * FROM trash WHERE id = :id")
_TRASH_STATES: Final = text(
    "SELECT id, model_id, digest, ask, plan, state, size_bytes, freed_bytes, trashed_us,"
    " purge_after_us, ended_us FROM trash ORDER BY trashed_us, id"
)
_TRASH_IDS: Final = text("SELECT id, plan FROM trash WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_LIVE_IDS: Final = text(
    "SELECT id FROM trash WHERE state IN ('trashed', 'partial', 'purging') ORDER BY id"
)
_ENTRY: Final = text("SELECT model_row FROM trash WHERE id = :id")
_SET_STATE: Final = text(
    "UPDATE trash SET state = :state, freed_bytes = :freed_bytes, ended_us = :ended_us"
    " WHERE id = :id"
)


@dataclass(frozen=True, slots=True)
class Trashed:
    """A row of the table `trash`, without the entry. Bytes, and microseconds of UTC."""

    id: str
    model_id: str
    digest: str
    ask: str
    plan: str
    state: str
    size_bytes: int
    freed_bytes: int | None
    trashed_us: int
    purge_after_us: int
    ended_us: int | None


def of_model(connection: Connection, model_id: str) -> dict[str, list[dict[str, Any]]]:
    """Every row about a model, by table; `model` is empty where there is none."""
    return {
        table: [dict(row) for row in connection.execute(query, {"id": model_id}).mappings()]
        for table, query in _OF_MODEL.items()
    }


def receipts(connection: Connection, model_id: str) -> dict[str, Identity]:
    """Which file had the bytes when they were verified last, by SHA-256."""
    rows = connection.execute(_RECEIPTS, {"id": model_id})
    return {row.sha256: Identity(row.ino, row.size) for row in rows}


def shared(connection: Connection, model_id: str) -> frozenset[str]:
    """SHA-256 of the files that another model needs too."""
    return frozenset(connection.execute(_SHARED, {"id": model_id}).scalars())


def sharing(connection: Connection, model_id: str) -> list[str]:
    """The models that need them."""
    return list(connection.execute(_SHARING, {"id": model_id}).scalars())


def shares_view(connection: Connection, model_id: str, digest: str) -> bool:
    """Whether another model consists of the same files, so that both have one view."""
    return bool(connection.execute(_SAME_DIGEST, {"id": model_id, "digest": digest}).scalar())


def is_used(connection: Connection, sha256: str) -> bool:
    return bool(connection.execute(_USED, {"sha256": sha256}).scalar())


def used(connection: Connection) -> set[str]:
    return set(connection.execute(_ALL_USED).scalars())


def is_viewed(connection: Connection, digest: str) -> bool:
    return bool(connection.execute(_VIEWED, {"digest": digest}).scalar())


def held_in_trash(
    connection: Connection, wanted: frozenset[str] | None, known: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Of the wanted files (None: of all) those that each entry holds, by the entry's id.

    `known`: the files of entries that were read before; what an entry holds never changes.
    """
    found: dict[str, frozenset[str]] = {}
    for (trash_id,) in connection.execute(_LIVE_IDS).all():
        if trash_id not in known:
            row = connection.execute(_ENTRY, {"id": trash_id}).scalar_one()
            known[trash_id] = frozenset(file.sha256 for file in parse(row).files)
        held = known[trash_id] if wanted is None else known[trash_id] & wanted
        if held:
            found[trash_id] = held
    return found


def plans_of(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The plan that each of these ids belongs to, where it is in use."""
    found = connection.execute(_TRASH_IDS, {"ids": list(ids)})
    return {row.id: row.plan for row in found}


def trashed(connection: Connection) -> list[Trashed]:
    return [Trashed(**row) for row in connection.execute(_TRASH_STATES).mappings()]


def find(connection: Connection, trash_id: str) -> tuple[Trashed, Entry] | None:
    row = connection.execute(_TRASH, {"id": trash_id}).one_or_none()
    return None if row is None else (_trashed(row), parse(row.model_row))


def put(connection: Connection, entry: Entry, *, now_us: int, purge_after_us: int) -> None:
    """The model's rows go, aliases lead on to the next model they name; the entry's row comes."""
    chains.leave(connection, entry.model_id)
    for statement in _DELETE:
        connection.execute(statement, {"id": entry.model_id})
    for sha256 in {file.sha256 for file in entry.files}:
        connection.execute(_FORGET, {"sha256": sha256})
    row = {
        "id": entry.id,
        "model_id": entry.model_id,
        "digest": entry.digest,
        "ask": entry.ask,
        "plan": entry.plan,
        "size_bytes": entry.size_bytes,
        "trashed_us": now_us,
        "purge_after_us": purge_after_us,
        "model_row": entry.as_json().decode(),
    }
    connection.execute(_PUT_TRASH, row)


def put_back(connection: Connection, entry: Entry, *, now_us: int) -> None:
    """The model's rows as they were, one generation on; aliases that people changed stay so."""
    for row in entry.rows["model"]:
        _insert(connection, "model", {**row, "generation": int(row["generation"]) + 1})
    for table in ("artifact", "model_terms"):
        for row in entry.rows.get(table, ()):  # an entry of an earlier release has no terms
            _insert(connection, table, row)
    left = {
        row["alias"]: chains.chain_of(row["model_id"], row.get("fallbacks", "[]"))
        for row in entry.rows["model_alias"]
    }
    known = connection.execute(_MODEL_IDS).scalars().all()
    chains.come_back(connection, entry.model_id, left, known)
    set_state(connection, entry.id, "restored", freed_bytes=None, ended_us=now_us)


def set_state(
    connection: Connection,
    trash_id: str,
    state: str,
    *,
    freed_bytes: int | None,
    ended_us: int | None,
) -> None:
    values = {"state": state, "freed_bytes": freed_bytes, "ended_us": ended_us}
    connection.execute(_SET_STATE, {"id": trash_id, **values})


def _insert(connection: Connection, table: str, row: Mapping[str, Any]) -> None:
    """`row` was read from this table; a column that this release does not have fails here."""
    names = _columns(row)
    values = ", ".join(f":{name}" for name in names)
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"  # noqa: S608
    connection.execute(text(statement), dict(row))


def _columns(row: Mapping[str, Any]) -> Sequence[str]:
    names = sorted(row)
    if not all(name.isidentifier() and name.isascii() for name in names):
        raise ValueError("an entry of the trash names a column that cannot be")
    return names


def _trashed(row: Row[Any]) -> Trashed:
    names = Trashed.__slots__
    return Trashed(**{name: getattr(row, name) for name in names})
