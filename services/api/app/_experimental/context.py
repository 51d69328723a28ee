"""The advisor `context`: models that would be loaded with far more context than was ever used, and
models that are unloaded for being idle just before they are wanted again.

Context: twice the longest request of at least 50, rounded up to 1,024 tokens and never under 2,048,
where that is at most half of what is configured.

Idle time: where at least 5 loads that somebody waited for came after a longer pause than the model
is kept for, and the time that would have bridged them is a day at most. Only where nothing was
evicted in the snapshot's days: where memory is short, keeping a model longer takes it from another.

Slots are left alone: how many requests ran at once cannot be told from the snapshot. That nobody
waited for a place says only that there were enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app._experimental import wording
from app._experimental.evidence import fact, of_host, of_model
from app.domain.advice.frames import Advice
from app.domain.advice.proposals import DAY_S, Kind, Proposal
from app.domain.advice.snapshot import ModelFacts, Snapshot, Use

NAME: Final = "context"
ENOUGH: Final = 50
MANY: Final = 500
MARGIN: Final = 2
"""Times the longest request that there was."""
STEP_TOKENS: Final = 1_024
LEAST_TOKENS: Final = 2_048
WORTH_BYTES: Final = 64 << 20
TOO_LONG: Final = "context_length_exceeded"
RELOADS: Final = 5
LONGEST_IDLE_H: Final = 24
HOUR_S: Final = 3_600
WEEK_D: Final = 7
MOST: Final = 10
EXPIRES_S: Final = 14 * DAY_S


@dataclass(frozen=True, slots=True)
class Context:
    name: str = NAME
    assumes: str = (
        "The next requests are no more than twice as long as the longest of the snapshot's days, "
        "and pauses between them are as they were."
    )
    sure: str = (
        "For a context from 45 percent at 50 requests to 85 at 500 and more, 20 less where any "
        "request was refused as too long; for an idle time 40 and 2 for each load that would not "
        "have been waited for, to 75."
    )

    def advise(self, snapshot: Snapshot) -> Advice:
        smaller = sorted(_smaller(snapshot), key=_frees_most)
        longer = sorted(_longer(snapshot), key=_avoids_most)
        # What is asked for the sake of memory and of time in turn: neither crowds the other out.
        kept = min(len(longer), max(MOST // 2, MOST - len(smaller)))
        yield from smaller[: MOST - kept]
        yield from longer[:kept]


def _frees_most(proposal: Proposal) -> tuple[int, str]:
    return (-proposal.confidence * proposal.predicts["memory_freed_bytes"], proposal.target)


def _avoids_most(proposal: Proposal) -> tuple[int, str]:
    return (-proposal.predicts["cold_starts_avoided"], proposal.target)


# --- context --------------------------------------------------------------------------------


def _smaller(snapshot: Snapshot) -> Iterator[Proposal]:
    for model, facts in sorted(snapshot.models.items()):
        if facts.requests < ENOUGH or facts.longest_tokens < 1:
            continue
        wanted = wanted_tokens(facts.longest_tokens)
        freed = _freed_bytes(facts, wanted)
        if wanted * 2 <= facts.terms_context and freed >= WORTH_BYTES:
            yield _less(snapshot, model, wanted, freed)


def wanted_tokens(longest: int) -> int:
    """Room for twice the longest, in whole steps."""
    steps = -(-MARGIN * longest // STEP_TOKENS)
    return max(LEAST_TOKENS, steps * STEP_TOKENS)


def _freed_bytes(facts: ModelFacts, wanted: int) -> int:
    """Of the cache alone: what the weights take stays."""
    cache = (facts.terms_context - wanted) * facts.terms_slots * facts.kv_bytes_per_token
    return min(cache, facts.need_bytes - facts.size_bytes)


def _less(snapshot: Snapshot, model: str, wanted: int, freed: int) -> Proposal:
    facts = snapshot.models[model]
    names = ("terms_context", "longest_tokens", "requests", "terms_slots", "kv_bytes_per_token")
    return Proposal(
        kind=Kind.TERMS,
        target=model,
        change={"context": wanted},
        reason=wording.cut(
            f"{wording.named(model)} is loaded for {facts.terms_context:,} tokens in each of "
            f"{wording.counted(facts.terms_slots, 'slot')}, and the longest of "
            f"{wording.counted(facts.requests, 'request')} had {facts.longest_tokens:,}. With "
            f"{wanted:,} it needs {wording.size(freed)} less memory, from its next load on."
        ),
        assumes=f"No request will need more than {wanted:,} tokens: those that do are refused.",
        confidence=_confidence(facts.requests) - (20 if _some_were_too_long(snapshot) else 0),
        evidence=(
            *of_model(snapshot, model, (*names, "need_bytes", "max_context")),
            fact(snapshot, "days"),
        ),
        predicts={"memory_freed_bytes": freed},
        expires_in_s=EXPIRES_S,
    )


def _some_were_too_long(snapshot: Snapshot) -> bool:
    """For whichever model it was: refused requests do not show in any model's longest."""
    return any(code == TOO_LONG and count for _, code, count in snapshot.refusals)


def _confidence(requests: int) -> int:
    share = min(MANY, requests) - ENOUGH
    return 45 + 40 * share // (MANY - ENOUGH)


# --- idle time ------------------------------------------------------------------------------


def _longer(snapshot: Snapshot) -> Iterator[Proposal]:
    if not snapshot.days or any(facts.evictions for facts in snapshot.models.values()):
        return
    likely = {
        model: facts
        for model, facts in sorted(snapshot.models.items())
        if facts.cold >= RELOADS and facts.terms_idle_s > 0 and not facts.pinned
    }
    for model, pauses in pauses_before_loads(snapshot.use, likely).items():
        facts = likely[model]
        after_idle = [hours for hours in pauses if hours * HOUR_S > facts.terms_idle_s]
        hours = _bridging(after_idle)
        avoided = sum(1 for pause in after_idle if pause <= hours)
        if avoided >= RELOADS and facts.need_bytes * 2 <= snapshot.host.models_budget_bytes:
            yield _keep_longer(snapshot, model, hours, avoided)


def pauses_before_loads(use: Use, models: Mapping[str, ModelFacts]) -> dict[str, list[int]]:
    """For each of these models, how long at most it had not been used when somebody had to wait
    for its load, in hours: rows tell the hour, so a pause from one hour to the next is up to 2.
    """
    wanted = {at for at, model in enumerate(use.models) if model in models}
    now: dict[int, int] = {}
    before: dict[int, int] = {}
    found: dict[int, dict[int, int]] = {}
    columns = (use.columns["hour"], use.columns["model"], use.columns["cold"])
    for hour, model, cold in zip(*columns, strict=True):
        if model not in wanted or model is None or hour is None:
            continue
        if now.get(model) != hour:  # a model asked for under two names has two rows of an hour
            if model in now:
                before[model] = now[model]
            now[model] = hour
        if cold and model in before:
            found.setdefault(model, {})[hour] = hour - before[model] + 1
    return {use.models[model]: list(found[model].values()) for model in sorted(found)}


def _bridging(pauses: Sequence[int]) -> int:
    """The shortest time, in hours, that bridges four in five of the pauses of a day at most."""
    short = sorted(pause for pause in pauses if pause <= LONGEST_IDLE_H)
    return short[(4 * len(short) - 1) // 5] if short else 0


def _keep_longer(snapshot: Snapshot, model: str, hours: int, avoided: int) -> Proposal:
    facts = snapshot.models[model]
    a_week = max(1, avoided * WEEK_D // max(WEEK_D, snapshot.days))
    return Proposal(
        kind=Kind.TERMS,
        target=model,
        change={"idle_s": hours * HOUR_S},
        reason=wording.cut(
            f"{wording.named(model)} is unloaded after {wording.spell(facts.terms_idle_s)} without "
            f"a request. In {wording.counted(snapshot.days, 'day')} "
            f"{wording.counted(facts.cold, 'request')} "
            f"waited for it to be loaded again; kept for {wording.counted(hours, 'hour')} it would "
            f"have been there {wording.counted(avoided, 'time')}. Nothing was evicted meanwhile."
        ),
        assumes=f"Memory for it, {wording.size(facts.need_bytes)}, can be spared in its pauses.",
        confidence=min(75, 40 + 2 * avoided),
        evidence=(
            *of_model(snapshot, model, ("terms_idle_s", "cold", "requests", "loads", "evictions")),
            *of_model(snapshot, model, ("need_bytes", "pinned")),
            *of_host(snapshot, ("models_budget_bytes",)),
            fact(snapshot, "days"),
        ),
        predicts={"cold_starts_avoided": a_week},
        expires_in_s=EXPIRES_S,
    )


CONTEXT: Final = Context()
