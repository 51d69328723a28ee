"""Puts the store's keeper together."""

from collections.abc import Sequence
from pathlib import Path

from app.authority.governance import Governance
from app.authority.housekeeping import Housekeeping, Trashed
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant
from app.authority.policy.decisions import PolicyDecisionPoint
from app.domain.models import CatalogModel
from app.domain.refusals import TrashNotFound
from app.wiring.opening import Authority


class _NoTrash:
    def entries(self) -> Sequence[Trashed]:
        return ()

    def restore(self, grant: Grant, trash_id: str) -> CatalogModel:  # noqa: ARG002
        raise TrashNotFound(f"There is nothing in the trash called {trash_id[:80]!a}.")


def housekeeping(
    authority: Authority,
    serving: Serving,
    home: Path,
    *,
    asks: Governance,
    policy: PolicyDecisionPoint,
) -> Housekeeping:
    return Housekeeping(
        catalog=authority.catalog,
        annotations=authority.annotations,
        trash=_NoTrash(),
        asks=asks,
        serving=serving,
        policy=policy,
        store_dir=home / "store",
        trash_dir=home / "trash",
    )
