"""The advisor `routing`: an alias that answers too late, or has nothing to fall back on.

For an alias with a goal: its p95 of the first token, of all requests that named it, is above the
goal; and of those that the model answered which is now first in its chain, it was in the middle one
of the hours in which nothing had to wait for a load, too. (Where only loads make it late, keeping
the model in memory is the answer: the advisor `residency`. An alias that was moved lately is left
alone until its new model is known.) The model that is proposed has met the goal over all of its
requests, loads included.

For an alias of a single model whose loads failed: a model that loaded every time, to come second.

Only models that write text are compared: an alias of vectors cannot be moved, as vectors of two
models mean different things. Aliases of `routing.yaml` (`source: file`) are left out: they are
changed in that file alone, and a proposal would be refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app._experimental import wording
from app._experimental.evidence import of_alias, of_host, of_model
from app._experimental.measured import Asked, Totals, totals
from app.domain.advice.frames import Advice
from app.domain.advice.proposals import DAY_S, Kind, Proposal
from app.domain.advice.snapshot import AliasFacts, ModelFacts, Snapshot

NAME: Final = "routing"
ENOUGH: Final = 50
"""Requests under which nothing is said of a 95th percentile: it would rest on two of them."""
MANY: Final = 500
FAILED: Final = 2
"""Loads that failed, from which on an alias wants something to fall back on."""
LONGER: Final = 2
"""Prompts that are so many times as long as those a model was measured with say nothing of it."""
MOST: Final = 10
LONGEST_CHAIN: Final = 4
LOADABLE: Final = ("verified", "pinned")
BROKEN: Final = ("failed", "quarantined")
EXPIRES_S: Final = 14 * DAY_S


@dataclass(frozen=True, slots=True)
class _Known:
    """`aliases`: those that may be moved. `best`: every model, the best first."""

    snapshot: Snapshot
    aliases: Mapping[str, AliasFacts]
    found: Totals
    best: Sequence[tuple[str, ModelFacts]]


@dataclass(frozen=True, slots=True)
class Routing:
    name: str = NAME
    assumes: str = (
        "The next weeks' requests are like those of the snapshot, and answers of another model "
        "are good enough for whoever asks."
    )
    sure: str = (
        "From 45 percent at 50 requests to 85 at 500 and more, of the alias or of the model, "
        "whichever had fewer; 15 less where the goal is met by less than a tenth."
    )

    def advise(self, snapshot: Snapshot) -> Advice:
        given = {
            alias: facts
            for alias, facts in sorted(snapshot.aliases.items())
            if facts.source != "file" and facts.models and facts.models[0] in snapshot.models
        }
        known = _Known(
            snapshot,
            given,
            totals(snapshot.use, {alias: facts.models[0] for alias, facts in given.items()}),
            sorted(snapshot.models.items(), key=_best_first),
        )
        moves = {one.target: one for one in _faster(known)}
        for one in _with_fallback(known):
            moves.setdefault(one.target, one)  # a move leaves something to fall back on, too
        yield from sorted(moves.values(), key=lambda one: (-one.confidence, one.target))[:MOST]


def _faster(known: _Known) -> Iterator[Proposal]:
    for alias, facts in known.aliases.items():
        late, goal = facts.ttft_p95_ms, facts.goal_ms
        if late is None or goal is None or late <= goal or facts.requests < ENOUGH:
            continue
        named = known.found.of_name(alias)
        usual = named.usual_ms()
        if named.requests < ENOUGH or usual is None or usual <= goal:
            continue
        for model, its in _able(known, facts.models[0], named):
            first = its.ttft_p95_ms
            if its.requests >= ENOUGH and first is not None and first <= goal:
                yield _move(known.snapshot, alias, model, first, usual)
                break


def _able(known: _Known, instead_of: str, named: Asked) -> Iterator[tuple[str, ModelFacts]]:
    """Other models that could answer, the one with the most parameters first.

    Same task; trusted, in order, small enough to load alone; with room for the longest text; and
    asked prompts that were about as long.
    """
    snapshot = known.snapshot
    old = snapshot.models[instead_of]
    if old.task != "generate":
        return
    for model, facts in known.best:
        if (
            model != instead_of
            and facts.task == old.task
            and facts.trust in LOADABLE
            and facts.state not in BROKEN
            and facts.need_bytes <= snapshot.host.models_budget_bytes
            and facts.terms_context >= named.longest_tokens
            and named.prompts_at_most(LONGER, known.found.of_model(model))
        ):
            yield model, facts


def _best_first(item: tuple[str, ModelFacts]) -> tuple[int, int, str]:
    """Parameters stand for how good the answers are; of equals, the faster one."""
    model, facts = item
    first = facts.ttft_p95_ms
    return (-facts.parameters, first if first is not None else 1 << 40, model)


def _move(snapshot: Snapshot, alias: str, model: str, first: int, usual: int) -> Proposal:
    facts, its = snapshot.aliases[alias], snapshot.models[model]
    old = facts.models[0]
    chain = _chain(model, facts.models, snapshot)
    goal = facts.goal_ms or 0
    tight = first * 10 > goal * 9
    return Proposal(
        kind=Kind.ROUTE,
        target=alias,
        change={"models": chain},
        reason=wording.cut(
            f"95 in 100 of {wording.counted(facts.requests, 'request')} for {wording.named(alias)} "
            f"got their first token within {facts.ttft_p95_ms:,} ms, and {goal:,} ms are asked. In "
            f"a usual hour in which nothing had to be loaded it was {usual:,} ms. "
            f"{wording.named(model)} took {first:,} ms over "
            f"{wording.counted(its.requests, 'request')}; {wording.named(old)} would come second."
        ),
        assumes=wording.cut(
            f"{wording.named(model)} answers well enough for who asks for this alias, with prompts "
            "as long as until now."
        ),
        confidence=_confidence(min(facts.requests, its.requests)) - (15 if tight else 0),
        evidence=(
            *of_alias(snapshot, alias, ("goal_ms", "ttft_p95_ms", "requests", "source")),
            *of_model(snapshot, model, ("ttft_p95_ms", "requests", "task", "trust", "need_bytes")),
            *of_model(snapshot, old, ("ttft_p95_ms", "requests")),
            *of_host(snapshot, ("models_budget_bytes",)),
        ),
        predicts={"ttft_p95_ms": first},
        expires_in_s=EXPIRES_S,
    )


def _with_fallback(known: _Known) -> Iterator[Proposal]:
    for alias, facts in known.aliases.items():
        only = facts.models[0]
        its = known.snapshot.models[only]
        if len(facts.models) > 1 or its.load_failures < FAILED:
            continue
        for model, other in _able(known, only, known.found.of_name(alias)):
            if other.loads and not other.load_failures:
                yield _second(known.snapshot, alias, only, model)
                break


def _second(snapshot: Snapshot, alias: str, only: str, model: str) -> Proposal:
    its, other = snapshot.models[only], snapshot.models[model]
    return Proposal(
        kind=Kind.ROUTE,
        target=alias,
        change={"models": [only, model]},
        reason=wording.cut(
            f"{wording.counted(its.load_failures, 'load')} of {wording.named(only)} failed, and "
            f"{wording.named(alias)} leads nowhere else. {wording.named(model)} loaded "
            f"{wording.counted(other.loads, 'time')} without a failure and could answer instead."
        ),
        assumes=wording.cut(
            f"What kept {wording.named(only)} from loading may happen again, and an answer of "
            f"{wording.named(model)} is better than none."
        ),
        confidence=min(80, 40 + 5 * min(its.load_failures, other.loads)),
        evidence=(
            *of_model(snapshot, only, ("load_failures", "loads", "task")),
            *of_model(snapshot, model, ("load_failures", "loads", "task", "trust", "need_bytes")),
            *of_alias(snapshot, alias, ("source", "requests")),
            *of_host(snapshot, ("models_budget_bytes",)),
        ),
        expires_in_s=EXPIRES_S,
    )


def _chain(model: str, before: tuple[str, ...], snapshot: Snapshot) -> list[str]:
    """The new one first, then those that there were, without what is gone."""
    rest = [one for one in before if one != model and one in snapshot.models]
    return [model, *rest][:LONGEST_CHAIN]


def _confidence(requests: int) -> int:
    share = min(MANY, max(ENOUGH, requests)) - ENOUGH
    return 45 + 40 * share // (MANY - ENOUGH)


ROUTING: Final = Routing()
