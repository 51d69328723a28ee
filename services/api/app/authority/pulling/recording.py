"""What a pull or a repair leaves: an intent before the first byte, an outcome with its run."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from app.authority.catalog.signatures import Signature
from app.authority.catalog.watching import Moved
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.permissions import Permission
from app.authority.ports import Clock
from app.authority.pulling.planned import Planned
from app.domain.actors import Actor
from app.domain.models import CatalogModel
from app.domain.refusals import (
    AuditUnavailable,
    DiskFull,
    HubUnreachable,
    LoadCancelled,
    Refusal,
)
from app.evidence.runs import Attempt
from app.evidence.vocabulary import Kind

_LOG: Final = logging.getLogger(__name__)
_FAILED: Final = (HubUnreachable, DiskFull, AuditUnavailable)
MAX_REASON: Final = 1000


class Recording:
    """The events of one pull. Used on the thread that pulls."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        actor: Actor,
        planned: Planned,
        *,
        feasibility: Mapping[str, Any],
        policy: Mapping[str, Any],
        request_id: str | None,
        act: Permission = Permission.MODEL_PULL,
    ) -> None:
        self.moved = Moved()
        self._ledger = ledger
        self._clock = clock
        self._planned = planned
        self._recorded = False
        self._intent_seq = 0
        self._filed = {} if act is Permission.MODEL_PULL else {"act": str(act)}
        self._signature: Mapping[str, Any] = {}
        self._attempt = Attempt(
            act=str(act),
            subject=planned.name,
            actor=actor,
            outcome="",
            started_us=clock.utc_us(),
            ended_us=0,
            inputs=planned.asked,
            plan=planned.digest,
            feasibility=feasibility,
            policy=policy,
            ask=policy.get("ask"),
            request_id=request_id,
        )

    def around(self, bring: Callable[[], CatalogModel]) -> CatalogModel:
        """Run `bring` between intent and outcome; what it raises is recorded and raised."""
        self._intent_seq = self._ledger.append(self._intent()).seq
        try:
            return bring()
        except Refusal as refusal:
            self._ended_badly(_outcome_of(refusal), refusal.message, refusal)
            raise
        except Exception as error:
            self._ended_badly("failed", type(error).__name__, None)
            raise

    def done(self, model: CatalogModel) -> LedgerEvent:
        """The outcome of a pull that ends with the model in the catalog."""
        effect = {
            "digest": model.digest,
            "trust": str(model.trust),
            "fetched_bytes": self.moved.count,
        }
        return self._outcome("done", effect, effect={**effect, **self._signature})

    def already_there(self, model: CatalogModel) -> None:
        """Nothing had to be fetched."""
        self._ledger.append(self.done(model))
        self._recorded = True

    def signed(self, found: Signature) -> None:
        """What the signature that came along is worth, for the run."""
        self._signature = {"signature": str(found.status), "signer": found.signer}

    @property
    def signature(self) -> Mapping[str, Any]:
        return self._signature

    def recorded(self) -> None:
        """The outcome stands, with the catalog's row."""
        self._recorded = True

    def _intent(self) -> LedgerEvent:
        planned = self._planned
        fetched = () if planned.held else planned.files
        return LedgerEvent(
            kind=Kind.PULL_INTENT,
            actor=self._attempt.actor,
            subject=planned.name,
            data={
                "repo": planned.at.repo,
                "revision": planned.at.commit,
                "hosts": list(planned.document["hosts"]),
                "files": len(fetched),
                "size_bytes": sum(file.size for file in fetched),
                "plan": planned.digest,
                **self._filed,
            },
            evidence=(planned.bytes,),
            request_id=self._attempt.request_id,
        )

    def _ended_badly(self, outcome: str, reason: str, refusal: Refusal | None) -> None:
        if self._recorded:
            return
        said, policy = None, None
        if refusal is not None:
            said = {"code": refusal.code, "message": refusal.message[:MAX_REASON]}
            policy = refusal.details.get("policy")  # the decision that stopped it, where one did
        data = {"reason": reason[:MAX_REASON], "fetched_bytes": self.moved.count}
        event = self._outcome(
            outcome,
            data,
            effect={"fetched_bytes": self.moved.count},
            refusal=said,
            policy=policy,
        )
        try:
            self._ledger.append(event)
        except AuditUnavailable:
            _LOG.exception("the end of a pull could not be recorded; the next start closes it")
            return
        if refusal is not None:
            refusal.run = event.data["run"]

    def _outcome(
        self,
        outcome: str,
        data: Mapping[str, Any],
        *,
        effect: Mapping[str, Any],
        refusal: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> LedgerEvent:
        at = self._planned.at
        event = LedgerEvent(
            kind=Kind.PULL_OUTCOME,
            actor=self._attempt.actor,
            subject=self._planned.name,
            outcome=outcome,
            data={
                "repo": at.repo,
                "revision": at.commit,
                "plan": self._planned.digest,
                **self._filed,
                **data,
            },
            intent_seq=self._intent_seq,
            request_id=self._attempt.request_id,
        )
        attempt = replace(
            self._attempt,
            outcome=outcome,
            ended_us=self._clock.utc_us(),
            effect=effect,
            refusal=refusal,
            policy=policy or self._attempt.policy,
        )
        return self._ledger.runs.attached(event, attempt)


def _outcome_of(refusal: Refusal) -> str:
    if isinstance(refusal, LoadCancelled):
        return "cancelled"
    return "failed" if isinstance(refusal, _FAILED) else "refused"
