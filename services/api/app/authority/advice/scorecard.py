"""How each advisor fared: what was accepted, what dismissed, and which predictions came true."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from app.authority.advice.kept import Damaged, Kept, State
from app.authority.advice.measuring import Measuring
from app.authority.advice.scoring import Score, Verdict, score
from app.authority.advice.store import PAGE, Proposals

Json = dict[str, Any]

MOST: Final = 1_000
"""Proposals that a scorecard is about: the newest."""


@dataclass(frozen=True, slots=True)
class Scoring:
    proposals: Proposals
    measuring: Measuring

    async def scorecard(self) -> Json:
        """``{advisors: [{author, proposed, open, accepted, dismissed, expired, came_true, did_not,
        too_early, unknown}], proposals: [{id, author, kind, target, state, predicted, measured,
        verdict}]}``: of the newest MOST proposals, those that still wait for somebody unscored."""
        return await asyncio.to_thread(self._scorecard)

    async def measured(self, kept: Kept) -> Json | None:
        """``{predicted, measured, verdict}``; None while it waits for somebody."""
        if kept.state is State.OPEN:
            return None
        return _told(await asyncio.to_thread(self._score, kept))

    async def run_of(self, kept: Kept) -> str | None:
        """The run of what came of it: that of its ask too, once that has ended."""
        return await asyncio.to_thread(self.measuring.run_of, kept)

    def _scorecard(self) -> Json:
        found = self._newest()
        scores = [(kept, self._score(kept)) for kept in found if kept.state != State.OPEN]
        counts: dict[str, Counter[str]] = {}
        for kept in found:
            counts.setdefault(kept.author, Counter()).update(["proposed", str(kept.state)])
        for kept, scored in scores:
            counts[kept.author][str(scored.verdict)] += 1
        names = ("proposed", *map(str, State), *map(str, Verdict))
        return {
            "advisors": [
                {"author": author, **{name: of[name] for name in names}}
                for author, of in sorted(counts.items())
            ],
            "proposals": [{**_about(kept), **_told(scored)} for kept, scored in scores],
        }

    def _score(self, kept: Kept | Damaged) -> Score:
        if isinstance(kept, Damaged):
            return Score(Verdict.UNKNOWN, {}, {})
        return score(kept.proposal, self.measuring.seen(kept))

    def _newest(self) -> list[Kept | Damaged]:
        found: list[Kept | Damaged] = []
        before = None
        while len(found) < MOST and (page := self.proposals.page(before=before, limit=PAGE)):
            found += page
            before = (page[-1].created_us, page[-1].id)
        return found[:MOST]


def _about(kept: Kept | Damaged) -> Json:
    said = kept if isinstance(kept, Damaged) else kept.proposal
    return {
        "id": kept.id,
        "author": kept.author,
        "kind": str(said.kind),
        "target": said.target,
        "state": str(kept.state),
    }


def _told(of: Score) -> Json:
    return {
        "predicted": dict(of.predicted),
        "measured": dict(of.measured),
        "verdict": str(of.verdict),
    }
