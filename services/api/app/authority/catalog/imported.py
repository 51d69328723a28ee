"""What the ledger is told of a model that entered: imported, or adopted where it lies."""

from typing import Any, Final

from app.authority.catalog.signatures import Signature, Signed
from app.authority.ledger.events import LedgerEvent
from app.authority.permissions import Permission
from app.domain.actors import Actor
from app.domain.models import CatalogModel
from app.evidence.vocabulary import Kind

# An event is bounded, so it names only so many of the files that were left out, and their count.
NAMES_RECORDED: Final = 50


def imported(
    actor: Actor,
    model: CatalogModel,
    left_out: tuple[str, ...],
    *,
    signature: Signature,
    adopted: str | None = None,
) -> LedgerEvent:
    """`adopted` says how files that another program keeps are held."""
    data: dict[str, Any] = {
        "digest": model.digest,
        "trust": str(model.trust),
        "size_bytes": model.size_bytes,
        "architecture": model.architecture,
        "source": model.source,
        "left_out": list(left_out[:NAMES_RECORDED]),
        "left_out_count": len(left_out),
    }
    if signature.status is not Signed.ABSENT:
        data["signature"] = str(signature.status)
    if signature.signer is not None:
        data["signer"] = signature.signer
    if adopted is not None:
        data |= {"adopted": adopted, "act": str(Permission.MODEL_ADOPT)}
    return LedgerEvent(
        kind=Kind.MODEL_IMPORTED, actor=actor, subject=model.id, outcome="done", data=data
    )
