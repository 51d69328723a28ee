"""Puts the store's keeper together."""

from pathlib import Path

from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.trash import Trash
from app.authority.governance import Governance
from app.authority.housekeeping import Housekeeping
from app.authority.lifecycle.serving import Serving
from app.authority.policy.decisions import PolicyDecisionPoint
from app.wiring.opening import Authority


def trash_of(authority: Authority, home: Path, *, grace_s: int) -> Trash:
    """Where deleted models lie; whatever changes rows there tells whoever remembers aliases."""
    store, trash = (home / "store").resolve(), (home / "trash").resolve()
    return Trash(
        Bin(
            catalog=authority.catalog,
            ledger=authority.ledger,
            engine=authority.database,
            clock=authority.clock,
            store=store,
            directory=trash,
            grace_s=lambda: grace_s,
            changed=authority.annotations.refresh,
        )
    )


def housekeeping(
    authority: Authority,
    serving: Serving,
    trash: Trash,
    home: Path,
    *,
    asks: Governance,
    policy: PolicyDecisionPoint,
) -> Housekeeping:
    return Housekeeping(
        catalog=authority.catalog,
        annotations=authority.annotations,
        entries=trash.entries,
        put_back=trash.restore,
        asks=asks,
        serving=serving,
        policy=policy,
        home=home,
    )
