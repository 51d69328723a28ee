"""Pruning the ledger: it can be asked for, what would go is told, and it cannot be done yet."""

from collections.abc import Mapping
from typing import Any, NoReturn

from app.authority.acts.days import midnight_us
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.ledger.retention import CANNOT_PRUNE, TOO_YOUNG, may_prune_before
from app.authority.ledger.store import Ledger
from app.authority.permissions import Permission
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import ApprovalUnavailable, InvalidRequest


class LedgerPrune:
    """params: ``{"before": "YYYY-MM-DD"}`` in UTC: what would go is older than that day."""

    kind = "ledger_prune"
    permission = Permission.LEDGER_PRUNE
    meaning = "Take away bodies of old events. This release cannot: it says what would go."
    phrase = "yes, prune NAME"
    asker_executes = False

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> NoReturn:
        """Raises ApprovalUnavailable for what is never pruned, else NotFeasible."""
        if params.keys() != {"before"}:
            raise InvalidRequest("Prune {before: YYYY-MM-DD}.", param="params")
        before_us = midnight_us(params["before"], param="before")
        if not may_prune_before(self._clock.utc_us(), before_us):
            raise ApprovalUnavailable(
                TOO_YOUNG,
                details={"permission": str(self.permission)},
            )
        events, bytes_ = self._ledger.before(before_us)
        raise NotFeasible(
            f"{CANNOT_PRUNE} {events} events come before {params['before']}, with {bytes_} bytes; "
            f"the first one kept would be {events + 1}."
        )

    async def perform(self, warrant: Warrant) -> Effect:
        """Nothing: no plan of this kind is ever drawn, so none can be approved."""
        require_warrant(warrant, self.kind)
        return Effect(done=False, reason=CANNOT_PRUNE)
