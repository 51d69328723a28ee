"""What downloads are made of, and that a model is pulled by one at a time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.authority.catalog import Catalog
from app.authority.catalog.publishing import Publishing
from app.authority.catalog.signatures import Signer
from app.authority.ledger.store import Ledger
from app.authority.policy.admitting import AskInstead, no_asks
from app.authority.policy.decisions import PolicyDecisionPoint
from app.authority.ports import Clock, Hub, MemoryProbe
from app.domain.feasibility import Need, Verdict
from app.domain.refusals import ModelBusy


@dataclass(frozen=True, slots=True)
class Machine:
    """What a verdict on a model that is not here yet needs to know."""

    probe: MemoryProbe
    verdict: Callable[[Need], Awaitable[Verdict]]
    worker_base_bytes: Callable[[], int]
    default_context: int
    default_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullingPorts:
    hub: Hub
    catalog: Catalog
    publishing: Publishing
    ledger: Ledger
    clock: Clock
    policy: PolicyDecisionPoint
    machine: Machine
    asks: AskInstead = no_asks
    signers: Callable[[], Sequence[Signer]] = tuple
    """Whose signatures are trusted now."""


class Alone:
    """Holds the names of one pull; another pull of one of them is refused meanwhile."""

    def __init__(self, busy: set[str], names: set[str]) -> None:
        self._busy = busy
        self._names = names

    def __enter__(self) -> None:
        if taken := self._names & self._busy:
            raise ModelBusy(f"{min(taken)} is being pulled already. Wait until that pull ends.")
        self._busy |= self._names

    def __exit__(self, *_: object) -> None:
        self._busy -= self._names
