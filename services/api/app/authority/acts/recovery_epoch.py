"""Going on from an earlier point of the ledger: it can be asked for, and cannot be done yet."""

from collections.abc import Mapping
from typing import Any, NoReturn

from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.ledger.retention import CANNOT_RECOVER
from app.authority.permissions import Permission
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest


class RecoveryEpoch:
    """params: ``{}``."""

    kind = "recovery_epoch"
    permission = Permission.LEDGER_RECOVER
    meaning = "Go on from an earlier point of the ledger. This release cannot: it says why."
    phrase = "yes, recover NAME"
    asker_executes = False

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> NoReturn:
        if params:
            raise InvalidRequest("A recovery epoch takes no parameters.", param="params")
        raise NotFeasible(CANNOT_RECOVER)

    async def perform(self, warrant: Warrant) -> Effect:
        """Nothing: no plan of this kind is ever drawn, so none can be approved."""
        require_warrant(warrant, self.kind)
        return Effect(done=False, reason=CANNOT_RECOVER)
