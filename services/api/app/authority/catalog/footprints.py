"""What every model takes: its shape, and the bytes that only it needs. Two queries for all."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from app.domain.shapes import ModelShape

_SHAPES: Final = text("SELECT id, shape_json FROM model")
# A file that a model has under two names is one; what other programs keep frees nothing here.
_OWN: Final = text(
    "SELECT model_id, sum(size) AS bytes FROM"
    " (SELECT min(model_id) AS model_id, max(size) AS size FROM artifact"
    " WHERE adopted_path IS NULL GROUP BY sha256 HAVING min(model_id) = max(model_id))"
    " GROUP BY model_id"
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """`own_bytes`: of files that no other model needs, and that would go with it."""

    shape: ModelShape
    own_bytes: int


def footprints(connection: Connection) -> dict[str, Footprint]:
    """By the model's id."""
    own = {row.model_id: int(row.bytes) for row in connection.execute(_OWN)}
    return {
        row.id: Footprint(ModelShape.from_dict(json.loads(row.shape_json)), own.get(row.id, 0))
        for row in connection.execute(_SHAPES)
    }
