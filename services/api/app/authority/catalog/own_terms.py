"""The rows of what people set for single models: context, slots, and how long they may idle."""

from typing import Final

from sqlalchemy import Connection, text

from app.domain.models import CatalogModel
from app.domain.refusals import InvalidRequest
from app.domain.terms import MAX_IDLE_S, MAX_SLOTS, OwnTerms

NONE: Final = OwnTerms()
_ALL: Final = text("SELECT model_id, context, slots, idle_s FROM model_terms")
_PUT: Final = text(
    "INSERT INTO model_terms (model_id, context, slots, idle_s)"
    " VALUES (:id, :context, :slots, :idle_s) ON CONFLICT (model_id) DO UPDATE"
    " SET context = excluded.context, slots = excluded.slots, idle_s = excluded.idle_s"
)
_DROP: Final = text("DELETE FROM model_terms WHERE model_id = :id")


def own_terms(connection: Connection) -> dict[str, OwnTerms]:
    """Of each model for which something is set."""
    rows = connection.execute(_ALL)
    return {row.model_id: OwnTerms(row.context, row.slots, row.idle_s) for row in rows}


def put(connection: Connection, model_id: str, own: OwnTerms) -> None:
    if own == NONE:
        connection.execute(_DROP, {"id": model_id})
    else:
        connection.execute(_PUT, {"id": model_id, **own.as_dict()})


def refuse(model: CatalogModel, own: OwnTerms) -> None:
    """Raise InvalidRequest for a term that no load of this model can have."""
    if own.context is not None and not 1 <= own.context <= model.max_context:
        raise InvalidRequest(
            f"{model.id} takes a context of 1 to {model.max_context} tokens, not {own.context}.",
            param="context",
        )
    if own.slots is not None and not 1 <= own.slots <= MAX_SLOTS:
        raise InvalidRequest(f"Slots go from 1 to {MAX_SLOTS}, not {own.slots}.", param="slots")
    if own.idle_s is not None and not 0 <= own.idle_s <= MAX_IDLE_S:
        raise InvalidRequest(
            f"A model may idle for 1 to {MAX_IDLE_S} s, or for ever (0), not {own.idle_s} s.",
            param="idle_s",
        )
