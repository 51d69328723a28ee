"""Puts the store's keeper together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.authority.housekeeping import Housekeeping
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant
from app.domain.actors import Actor
from app.domain.refusals import ApprovalUnavailable, TrashNotFound
from app.wiring.opening import Authority


class _NoAsks:
    """Without a workflow of approvals nothing that destroys can be asked for."""

    async def ask(
        self,
        actor: Actor,  # noqa: ARG002
        act: str,
        params: Mapping[str, Any],  # noqa: ARG002
        *,
        reason: str = "",  # noqa: ARG002
        request_id: str | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        raise ApprovalUnavailable(f"This server takes no asks, so {act} is refused.")


class _NoTrash:
    def entries(self) -> Sequence[Mapping[str, Any]]:
        return ()

    def restore(self, grant: Grant, which: str) -> dict[str, Any]:  # noqa: ARG002
        raise TrashNotFound(f"There is nothing in the trash called {which[:80]!a}.")


def housekeeping(authority: Authority, serving: Serving, home: Path) -> Housekeeping:
    return Housekeeping(
        catalog=authority.catalog,
        annotations=authority.annotations,
        trash=_NoTrash(),
        asks=_NoAsks(),
        serving=serving,
        store_dir=home / "store",
        trash_dir=home / "trash",
    )
