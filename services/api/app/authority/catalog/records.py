"""The catalog's rows: what stands in the tables `model`, `artifact` and `receipt`, and how."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, text

from app.authority.catalog.signatures import Signature
from app.authority.catalog.survey import Owner
from app.domain.models import Artifact, CatalogModel, Manifest, Trust
from app.domain.refusals import ModelExists
from app.domain.shapes import ModelShape

_MODELS: Final = text(
    "SELECT id, digest, trust, size_bytes, architecture, max_context, created, source,"
    " pinned, note, licence FROM model"
)
_MODEL: Final = text(f"{_MODELS} WHERE id = :id")
_TWIN: Final = text("SELECT id FROM model WHERE lower(id) = lower(:id) AND id <> :id")
_SHAPE: Final = text("SELECT shape_json FROM model WHERE id = :id")
_ARTIFACTS: Final = text("SELECT path, size, sha256 FROM artifact WHERE model_id = :id")
_ADOPTED: Final = text(
    "SELECT path, adopted_path FROM artifact WHERE model_id = :id AND adopted_path IS NOT NULL"
)
_OWNERS: Final = text(
    "SELECT id, digest, (SELECT group_concat(sha256) FROM artifact WHERE model_id = id"
    " AND adopted_path IS NULL) AS blobs FROM model ORDER BY id"
)
_HOLDING: Final = text(
    "SELECT model_id, path, size, sha256 FROM artifact"
    " WHERE adopted_path IS NULL AND sha256 IN :blobs ORDER BY model_id, path"
).bindparams(bindparam("blobs", expanding=True))
_RECEIPTS: Final = text(
    "SELECT sha256, dev, ino, size, mtime_ns, ctime_ns, verified_us FROM receipt"
)
_VERIFIED: Final = text(
    "SELECT count(*) AS files, count(verified_us) AS receipts, min(verified_us) AS oldest"
    " FROM artifact LEFT JOIN receipt ON receipt.sha256 = artifact.sha256 WHERE model_id = :id"
)
_INSERT_MODEL: Final = text(
    "INSERT INTO model (id, digest, trust, size_bytes, architecture, max_context, created, source,"
    " pinned, note, licence, shape_json) VALUES (:id, :digest, :trust, :size_bytes, :architecture,"
    " :max_context, :created, :source, :pinned, :note, :licence, :shape_json)"
)
_INSERT_ARTIFACT: Final = text(
    "INSERT INTO artifact (model_id, path, size, sha256) VALUES (:model_id, :path, :size, :sha256)"
)
_PUT_RECEIPT: Final = text(
    "INSERT INTO receipt (sha256, dev, ino, size, mtime_ns, ctime_ns, verified_us)"
    " VALUES (:sha256, :dev, :ino, :size, :mtime_ns, :ctime_ns, :verified_us)"
    " ON CONFLICT (sha256) DO UPDATE SET dev = excluded.dev, ino = excluded.ino,"
    " size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns,"
    " verified_us = excluded.verified_us"
)
_SET_TRUST: Final = text(
    "UPDATE model SET trust = :trust, generation = generation + 1 WHERE id = :id"
)
_VOUCHED: Final = text(
    "SELECT count(*) > 0 AND sum(known_by <> 'confirmed'"
    " AND NOT (known_by = 'sha256' AND repo IS NOT NULL)) = 0"
    " FROM artifact JOIN model ON model.id = artifact.model_id WHERE model_id = :id"
)
_CONFIRM: Final = text("UPDATE artifact SET known_by = 'confirmed' WHERE model_id = :id")
_ORIGIN: Final = text("SELECT repo, revision, signature, signer FROM model WHERE id = :id")
_SET_SIGNATURE: Final = text(
    "UPDATE model SET signature = :signature, signer = :signer WHERE id = :id"
)
_GENERATION: Final = text("SELECT generation FROM model WHERE id = :id")
_NEXT_GENERATION: Final = text("UPDATE model SET generation = generation + 1 WHERE id = :id")


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """What identified a file when its bytes were hashed and found right."""

    sha256: str
    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    verified_us: int


def models(connection: Connection) -> list[CatalogModel]:
    return [_model(row) for row in connection.execute(_MODELS).mappings()]


def model(connection: Connection, model_id: str) -> CatalogModel | None:
    row = connection.execute(_MODEL, {"id": model_id}).mappings().one_or_none()
    return None if row is None else _model(row)


def manifest(connection: Connection, model_id: str) -> Manifest:
    rows = connection.execute(_ARTIFACTS, {"id": model_id})
    return Manifest(tuple(sorted(Artifact(*row) for row in rows)))


def shape(connection: Connection, model_id: str) -> ModelShape:
    row = connection.execute(_SHAPE, {"id": model_id}).one()
    return ModelShape.from_dict(json.loads(row.shape_json))


def receipts(connection: Connection) -> dict[str, FileReceipt]:
    return {row.sha256: FileReceipt(*row) for row in connection.execute(_RECEIPTS)}


def insert_model(
    connection: Connection, model: CatalogModel, manifest: Manifest, shape: ModelShape
) -> None:
    """Add a model. Raises ModelExists where another's id differs in capital letters only."""
    twin = connection.execute(_TWIN, {"id": model.id}).scalar_one_or_none()
    if twin is not None:
        raise ModelExists(
            f"{model.id} differs from {twin}, which is in the catalog, in capital letters only: "
            "people would take one for the other. Choose another name: --name PUBLISHER/NAME.",
            param="name",
        )
    row = {name: getattr(model, name) for name in CatalogModel.__slots__}
    row |= {"trust": str(model.trust), "shape_json": json.dumps(shape.as_dict())}
    connection.execute(_INSERT_MODEL, row)
    connection.execute(
        _INSERT_ARTIFACT,
        [
            {"model_id": model.id, "path": a.path, "size": a.size, "sha256": a.sha256}
            for a in manifest.artifacts
        ],
    )


def owners(connection: Connection) -> Iterator[Owner]:
    """Every model with the blobs that it needs: files of other programs are in none."""
    for row in connection.execute(_OWNERS):
        yield Owner(row.id, row.digest, frozenset(filter(None, (row.blobs or "").split(","))))


def adopted(connection: Connection, model_id: str) -> dict[str, str]:
    """Where files that another program keeps lie, by their path in the model."""
    return {row.path: row.adopted_path for row in connection.execute(_ADOPTED, {"id": model_id})}


def verified_us(connection: Connection, model_id: str) -> int | None:
    """When the file of a model that was hashed longest ago was; None where one has no receipt."""
    row = connection.execute(_VERIFIED, {"id": model_id}).one()
    return None if row.files != row.receipts else row.oldest


def holding(connection: Connection, blobs: Collection[str]) -> dict[str, list[Artifact]]:
    """Every model with those of its files that are one of these blobs of ours."""
    found: dict[str, list[Artifact]] = {}
    for row in connection.execute(_HOLDING, {"blobs": list(blobs)}):
        found.setdefault(row.model_id, []).append(Artifact(row.path, row.size, row.sha256))
    return found


def put_receipts(connection: Connection, found: Iterable[FileReceipt]) -> None:
    for receipt in found:
        row = {name: getattr(receipt, name) for name in FileReceipt.__slots__}
        connection.execute(_PUT_RECEIPT, row)


def set_trust(connection: Connection, model_id: str, trust: Trust) -> None:
    connection.execute(_SET_TRUST, {"id": model_id, "trust": str(trust)})


def set_signature(connection: Connection, model_id: str, found: Signature) -> None:
    row = {"id": model_id, "signature": str(found.status), "signer": found.signer}
    connection.execute(_SET_SIGNATURE, row)


def confirm(connection: Connection, model_id: str) -> None:
    """An operator says that the SHA-256s are right; that outlives a quarantine."""
    connection.execute(_CONFIRM, {"id": model_id})
    set_trust(connection, model_id, Trust.VERIFIED)


def vouched_for(connection: Connection, model_id: str) -> bool:
    """Whether each SHA-256 was known before the bytes came from a hub, or confirmed since."""
    return bool(connection.execute(_VOUCHED, {"id": model_id}).scalar_one())


def origin(connection: Connection, model_id: str) -> dict[str, str | None]:
    """`repo` and `revision` it was pulled from, `signature` and `signer` it came with."""
    found = connection.execute(_ORIGIN, {"id": model_id}).mappings().one_or_none()
    return {} if found is None else dict(found)


def generation(connection: Connection, model_id: str) -> int:
    """How often something about the model changed; 0 when it is not there."""
    found = connection.execute(_GENERATION, {"id": model_id}).scalar_one_or_none()
    return 0 if found is None else int(found)


def next_generation(connection: Connection, model_id: str) -> bool:
    """Something about the model changed, so plans drawn before are stale; False: there is none."""
    return connection.execute(_NEXT_GENERATION, {"id": model_id}).rowcount == 1


def _model(row: RowMapping) -> CatalogModel:
    return CatalogModel(**{**row, "trust": Trust(row["trust"]), "pinned": bool(row["pinned"])})
