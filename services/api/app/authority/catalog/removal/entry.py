"""What an entry of the trash is: all that restoring a model or removing its bytes needs. Pure.

    LMX_HOME/trash/ID/entry.json    this, written and durable before the first file is moved
    LMX_HOME/trash/ID/view/         the model's view, or hard links to it where another model has it
    LMX_HOME/trash/ID/blobs/SHA     blobs that no other model needs

The view alone keeps every byte of the model alive, so an entry never depends on another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import orjson

from app.authority.catalog.kinds import held_as
from app.authority.catalog.removal.handles import Identity

VERSION: Final = 1
NOTE: Final = "entry.json"
BEGUN: Final = "purge.json"
VIEW: Final = "view"
BLOBS: Final = "blobs"
MAX_NOTE_BYTES: Final = 64 << 20
ID_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a trashed model.

    `alone`: no other model has its bytes. `adopted`: another program keeps them, and only our name
    for them is ours. `identity` is None for what is not the model's file and is never touched.
    """

    path: str
    size: int
    sha256: str
    alone: bool
    adopted: bool = False
    identity: Identity | None = None

    @property
    def name(self) -> str:
        """What it is called in a view."""
        return held_as(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`rows` holds the catalog's rows as they were: model, artifact, model_alias, model_terms.

    An alias is among them where it led to the model first, or fell back to it.
    """

    id: str
    ask: str
    plan: str
    model_id: str
    digest: str
    shared_view: bool
    files: tuple[Kept, ...]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    failed: tuple[str, ...] = ()
    """What was found that is not the model's, and what could not be moved, and why."""

    @property
    def size_bytes(self) -> int:
        """What its files have, each blob once."""
        return sum({file.sha256: file.size for file in self.files}.values())

    def with_files(self, files: Sequence[Kept]) -> Self:
        return replace(self, files=tuple(files))

    def as_json(self) -> bytes:
        return orjson.dumps({"version": VERSION, **_dict(self)}, option=orjson.OPT_SORT_KEYS)


def parse(content: bytes | str) -> Entry:
    """Raises ValueError for what is not an entry."""
    try:
        body = orjson.loads(content)
        if body.pop("version") != VERSION:
            raise ValueError("this entry of the trash is of another release")
        files = tuple(_kept(**file) for file in body.pop("files"))
        failed = tuple(map(str, body.pop("failed")))
        return Entry(files=files, failed=failed, **body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is no entry of the trash") from error


def entry_id(plan_hash: str, taken_by: Mapping[str, str]) -> str:
    """The entry's id, which follows from the plan, so that the same plan finds the same entry.

    `taken_by`: the plan that each id in use belongs to.
    """
    ids = (plan_hash[i : i + ID_LENGTH] for i in range(len(plan_hash) - ID_LENGTH + 1))
    return next(found for found in ids if taken_by.get(found, plan_hash) == plan_hash)


def _dict(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "ask": entry.ask,
        "plan": entry.plan,
        "model_id": entry.model_id,
        "digest": entry.digest,
        "shared_view": entry.shared_view,
        "files": [
            {
                "path": file.path,
                "size": file.size,
                "sha256": file.sha256,
                "alone": file.alone,
                "adopted": file.adopted,
                "identity": file.identity and [file.identity.ino, file.identity.size],
            }
            for file in entry.files
        ],
        "failed": list(entry.failed),
        "rows": {name: [dict(row) for row in rows] for name, rows in entry.rows.items()},
    }


def _kept(*, identity: Sequence[int] | None, **fields: Any) -> Kept:
    return Kept(**fields, identity=Identity(*identity) if identity else None)
