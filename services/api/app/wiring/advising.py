"""Puts advice together: what it is made from, who takes it, what accepting calls, who runs it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.authority.advice.accepting import Accepting
from app.authority.advice.acting import UseCases
from app.authority.advice.answering import Models
from app.authority.advice.facts import Facts
from app.authority.advice.hosting import Hosting
from app.authority.advice.looking import Memory
from app.authority.advice.measuring import Measuring
from app.authority.advice.previews import Previews
from app.authority.advice.proposing import Proposing
from app.authority.advice.publishing import Publishing
from app.authority.advice.scorecard import Scoring
from app.authority.advice.store import Proposals
from app.authority.advising import Advising
from app.authority.lifecycle.equipment import Limits
from app.authority.lifecycle.serving import Serving
from app.authority.ports import AdvisorHost, Calendar, MemoryProbe
from app.engines import advisor_bundle, advisor_host
from app.engines.memory_returned import give_back
from app.settings import Settings
from app.wiring.cases import Cases
from app.wiring.governing import Governing
from app.wiring.guarding import Guarded
from app.wiring.opening import Authority

PLACE = "run/advisors"
"""Where advisors run, below the state directory: nothing there outlives the server."""


@dataclass(frozen=True, slots=True)
class Advised:
    """Advice, put together."""

    advising: Advising
    proposals: Proposals
    accepting: Accepting
    hosting: Hosting
    clock: Calendar

    def expire_due(self) -> None:
        """For a timer: end the proposals whose time is over."""
        self.proposals.expire_due(self.clock.utc_us())

    def waiting(self) -> int:
        """How many proposals wait for a person."""
        now = self.clock.utc_us()
        return self.proposals.open_counts("", now_us=now, since_us=now).open_in_all

    def standing(self) -> dict[str, Any]:
        """``{open, walls}``: proposals that wait, and walls; None until somebody has looked."""
        return {"open": self.waiting(), "walls": self.hosting.walls()}


def advised(  # noqa: PLR0917 - the parts it joins
    settings: Settings,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    governed: Governing,
    guards: Guarded,
    made: Cases,
    host: AdvisorHost,
    *,
    home: Path,
    limits_now: Callable[[], Limits],
) -> Advised:
    catalog, ledger, clock = authority.catalog, authority.ledger, governed.parts.clock
    proposals = Proposals(ledger, authority.database)
    facts = Facts(
        catalog=catalog,
        routing=authority.routing,
        serving=serving,
        probe=probe,
        clock=authority.clock,
        readers=ledger.readers,
        database=authority.database,
        limits_now=limits_now,
        goals=settings.advice.goals,
        home=home,
    )
    publishing = Publishing(facts.taken, authority.clock, give_back)
    proposing = Proposing(proposals, publishing, catalog.came, authority.refusals, clock)
    accepting = Accepting(
        proposals,
        ledger,
        clock,
        UseCases(
            execution=made.execution,
            housekeeping=made.housekeeping,
            asks=governed.governance,
            guarding=made.guarding,
            pulls=governed.pulling,
            models=catalog.came,
        ),
    )
    hosting = Hosting(
        host=host,
        publishing=publishing,
        proposing=proposing,
        refusals=authority.refusals,
        models=Models(settings.advice.llm_model, made.inference, serving, authority.routing),
        known=catalog.ids,
        clock=authority.clock,
        last_seen_us=proposals.last_seen_us,
        by_itself=settings.advice.advisors,
        every_hours=settings.advice.every_hours,
    )
    memory = Memory(catalog, serving, guards.policy, governed.runs_as_asks, authority.clock)
    advising = Advising(
        publishing=publishing,
        proposing=proposing,
        proposals=proposals,
        previews=Previews(
            memory,
            authority.annotations,
            governed.governance.asking,
            guards.changing,
            ledger,
            clock,
        ),
        accepting=accepting,
        hosting=hosting,
        scoring=Scoring(proposals, Measuring(ledger, governed.parts.asks, authority.clock)),
    )
    return Advised(advising, proposals, accepting, hosting, clock)


def hosted(home: Path) -> AdvisorHost:
    """Advisors in processes of their own, from a copy of their zone that is made now."""
    place = home / PLACE
    if place.exists():  # scratch directories of a server that was killed
        shutil.rmtree(place)
    place.mkdir(mode=0o700, parents=True)
    return advisor_host.AdvisorHost(bundle=advisor_bundle.bundle(place))
