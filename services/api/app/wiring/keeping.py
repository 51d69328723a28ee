"""Puts the store's keeper together."""

from pathlib import Path

from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import USUAL, Program
from app.authority.governance import Governance
from app.authority.housekeeping import Housekeeping
from app.authority.lifecycle.serving import Serving
from app.authority.policy.decisions import PolicyDecisionPoint
from app.wiring.opening import Authority


def _caches() -> dict[Program, tuple[Path, ...]]:
    account = Path.home()
    return {program: tuple(account / at for at in places) for program, places in USUAL.items()}


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
        entries=authority.trash.entries,
        put_back=authority.trash.restore,
        asks=asks,
        serving=serving,
        policy=policy,
        adopting=Adopting(authority.catalog, authority.ledger, authority.clock, _caches()),
        home=home,
    )
