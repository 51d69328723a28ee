"""The only place that puts a run beside the event that records it: `Ledger.runs`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.authority.ledger.accepted import accepted_for
from app.authority.ledger.events import LedgerEvent
from app.evidence.runs import Attempt, Run, run
from app.evidence.vocabulary import ACTION


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of an attempt when it begins; the time is UTC, in microseconds."""

    started_us: int
    inputs: Mapping[str, Any]


class RunMaker:
    """Makes runs of attempts; `versions` says what took part in all of them."""

    def __init__(self, versions: Mapping[str, str], boot_id: str) -> None:
        self._versions = dict(versions)
        self._boot_id = boot_id

    def make(self, attempt: Attempt) -> Run:
        """The run; of an attempt that somebody began by accepting advice it names the proposal."""
        begun_by = accepted_for(attempt.actor)
        if begun_by is None:
            return self._run(attempt)
        made = self._run(replace(attempt, proposal=begun_by.proposal))
        begun_by.runs.append(made.digest)
        return made

    def _run(self, attempt: Attempt) -> Run:
        return run(attempt, versions=self._versions, boot_id=self._boot_id)

    def attached(self, event: LedgerEvent, attempt: Attempt) -> LedgerEvent:
        """`event` with the run of `attempt` as evidence, named in its data."""
        made = self.make(attempt)
        data = {**event.data, "run": made.digest}
        return replace(event, data=data, evidence=(*event.evidence, made.bytes))

    def told(
        self,
        event: LedgerEvent,
        begun: Begun,
        *,
        ended_us: int,
        policy: Mapping[str, Any] | None = None,
    ) -> LedgerEvent:
        """`event` with the run of an attempt that it tells all of: its data is the effect."""
        return self.attached(
            event,
            Attempt(
                act=str(event.data.get("act") or ACTION[event.kind]),
                subject=event.subject,
                actor=event.actor,
                outcome=event.outcome or "",
                started_us=begun.started_us,
                ended_us=ended_us,
                inputs=begun.inputs,
                policy=policy,
                effect=dict(event.data),
            ),
        )
