"""Puts the store's keeper together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.authority.governance import Governance
from app.authority.housekeeping import Housekeeping
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant
from app.domain.refusals import TrashNotFound
from app.wiring.opening import Authority


class _NoTrash:
    def entries(self) -> Sequence[Mapping[str, Any]]:
        return ()

    def restore(self, grant: Grant, which: str) -> dict[str, Any]:  # noqa: ARG002
        raise TrashNotFound(f"There is nothing in the trash called {which[:80]!a}.")


def housekeeping(
    authority: Authority, serving: Serving, home: Path, *, asks: Governance
) -> Housekeeping:
    return Housekeeping(
        catalog=authority.catalog,
        annotations=authority.annotations,
        trash=_NoTrash(),
        asks=asks,
        serving=serving,
        store_dir=home / "store",
        trash_dir=home / "trash",
    )
