"""The advisor `housekeeping`: what takes room on the disk and is not used.

Three rules: a model that nobody used for 30 days; of one model in two quantizations the one that
is not used while the other is; and downloads, caches, orphans and trash that take much.

A model is never proposed that is pinned, that an alias leads to, that is in memory or on its way
there or out, that came less than 30 days ago (7 for the second rule), or of which the days of the
snapshot do not reach back as far as the rule looks.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app._experimental import wording
from app._experimental.evidence import fact, of_host, of_model
from app.domain.advice.frames import Advice
from app.domain.advice.proposals import DAY_S, Evidence, Kind, Proposal
from app.domain.advice.snapshot import ModelFacts, Snapshot

NAME: Final = "housekeeping"
UNUSED_DAYS: Final = 30
TWIN_DAYS: Final = 7
DAY_US: Final = DAY_S * 1_000_000
WORTH_BYTES: Final = 64 << 20
"""What is smaller than this is not worth a person's time."""
MUCH_BYTES: Final = 1 << 30
SHORT_PERCENT: Final = 10
"""Of the disk; where less than this is free, WORTH_BYTES is much."""
SAME_PERCENT: Final = 5
"""Two counts of parameters may differ by so much where formats count differently."""
LESS_SURE: Final = 20
"""Of a model that cannot be pulled again."""
AGAIN: Final = ("pulled", "bundled")
CAN_BE_PULLED: Final = "Nobody needs it again soon, and it can still be had if somebody does."
IS_ONLY_HERE: Final = (
    "Nobody needs it again: it did not come from the hub, and once the trash is purged it is gone "
    "unless somebody kept the files."
)
MOST: Final = 10
EXPIRES_S: Final = 14 * DAY_S

PURGES: Final[Mapping[str, tuple[str, int, str]]] = {
    "downloads": ("download_bytes", 70, "No pull that was broken off is to be taken up again."),
    "caches": ("cache_bytes", 60, "What was cached can be made again when it is needed."),
    "orphans": ("orphan_bytes", 80, "Files of the store that no model owns are of no other use."),
    "trash": ("trash_bytes", 50, "Nothing in the trash will be wanted back: this ends that."),
}
"""For each purge: the fact of the host, how sure, what it takes for granted."""

_QUANTISED: Final = re.compile(
    r"[-_.](?:(?:ud[-_])?i?q[2-8](?:[-_](?:[0-9]|k|xxs|xs|s|m|l|xl|nl))*"
    r"|[2-8][-_]?bits?|int[48]|fp?(?:8|16|32)|bf16|mxfp[48]|nvfp4|gguf|mlx|awq|gptq|dwq)(?=[-_.]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    name: str = NAME
    assumes: str = (
        "What nobody used for 30 days nobody needs next week, and what came from the hub can be "
        "pulled again."
    )
    sure: str = (
        "50 percent at 30 days without use, one more for each further 3 days, to 80; 65 for a "
        "second quantization; 20 less for what did not come from the hub; 50 to 80 for a purge."
    )

    def advise(self, snapshot: Snapshot) -> Advice:
        led_to = {model for alias in snapshot.aliases.values() for model in alias.models}
        spare = {
            model: facts
            for model, facts in sorted(snapshot.models.items())
            if facts.frees_bytes >= WORTH_BYTES and model not in led_to and _is_spare(facts)
        }
        deletions = {one.target: one for one in _twins(snapshot, spare)}
        deletions.update({one.target: one for one in _unused(snapshot, spare)})
        proposals = [*deletions.values(), *_purges(snapshot)]
        yield from sorted(proposals, key=_strongest)[:MOST]


def _strongest(proposal: Proposal) -> tuple[int, str]:
    """What would likely free the most comes first."""
    return (-proposal.confidence * proposal.predicts["disk_freed_bytes"], proposal.target)


def _is_spare(facts: ModelFacts) -> bool:
    """Whether nobody keeps it and no memory holds it. A model that failed is left to people."""
    return not (facts.pinned or facts.state != "absent" or facts.resident_bytes)


def _idle_us(snapshot: Snapshot, facts: ModelFacts) -> int:
    """Since it was last used or, where it never was, since it came."""
    return snapshot.taken_us - max(facts.last_used_us or 0, facts.created_us)


# --- not used at all ------------------------------------------------------------------------


def _unused(snapshot: Snapshot, spare: Mapping[str, ModelFacts]) -> Iterator[Proposal]:
    if snapshot.days < UNUSED_DAYS:
        return
    for model, facts in spare.items():
        days = _idle_us(snapshot, facts) // DAY_US
        if days < UNUSED_DAYS:
            continue
        since = (
            f"was last used {days:,} days ago"
            if facts.last_used_us
            else f"came {days:,} days ago, and no use of it is known"
        )
        yield _deletion(
            snapshot,
            model,
            f"{wording.named(model)} {since}. Deleting it frees "
            f"{wording.size(facts.frees_bytes)}; until the trash is purged it can be restored.",
            confidence=min(80, 50 + (days - UNUSED_DAYS) // 3),
            further=(fact(snapshot, "days"), fact(snapshot, "taken_us")),
        )


# --- twice the same -------------------------------------------------------------------------


def _twins(snapshot: Snapshot, spare: Mapping[str, ModelFacts]) -> Iterator[Proposal]:
    if snapshot.days < TWIN_DAYS:
        return
    families: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for model, facts in sorted(snapshot.models.items()):
        families[base_name(model), facts.architecture, facts.task].append(model)
    for model, facts in spare.items():
        if facts.requests or _idle_us(snapshot, facts) < TWIN_DAYS * DAY_US:
            continue
        family = families[base_name(model), facts.architecture, facts.task]
        used = [one for one in family if _is_twin(facts, snapshot.models[one])]
        if used:
            most = max(used, key=lambda one: (snapshot.models[one].requests, one))
            yield _twin(snapshot, model, most)


def _is_twin(unused: ModelFacts, other: ModelFacts) -> bool:
    """The same weights kept in another way, as far as can be told, and in use."""
    return (
        other.requests > 0
        and (other.quantization, other.format) != (unused.quantization, unused.format)
        and unused.parameters > 0
        and abs(other.parameters - unused.parameters) * 100 <= SAME_PERCENT * unused.parameters
    )


def _twin(snapshot: Snapshot, model: str, used: str) -> Proposal:
    facts, other = snapshot.models[model], snapshot.models[used]
    return _deletion(
        snapshot,
        model,
        f"{wording.named(model)} and {wording.named(used)} seem to be one model in two "
        f"quantizations ({_how(facts)} and {_how(other)}). Nobody used the first in "
        f"{wording.counted(snapshot.days, 'day')}, the second had "
        f"{wording.counted(other.requests, 'request')}. Deleting the first frees "
        f"{wording.size(facts.frees_bytes)}.",
        confidence=65,
        further=(
            *of_model(snapshot, model, ("requests", "parameters")),
            *of_model(snapshot, used, ("requests", "parameters")),
            fact(snapshot, "days"),
        ),
    )


def base_name(model: str) -> str:
    """A model's name without its publisher and without how its weights are kept."""
    bare = model.rpartition("/")[2].lower()
    while (shorter := _QUANTISED.sub("", bare)) != bare:
        bare = shorter
    return bare


def _how(facts: ModelFacts) -> str:
    return f"{wording.visible(facts.quantization, 20) or 'not quantised'}, {facts.format}"


# --- the rest of the disk -------------------------------------------------------------------


def _purges(snapshot: Snapshot) -> Iterator[Proposal]:
    host = snapshot.host
    is_short = host.disk_free_bytes * 100 < host.disk_total_bytes * SHORT_PERCENT
    least = WORTH_BYTES if is_short else MUCH_BYTES
    for what, (field, confidence, assumes) in PURGES.items():
        evidence = of_host(snapshot, (field, "disk_free_bytes", "disk_total_bytes"))
        frees = evidence[0].value
        if isinstance(frees, int) and frees >= least:
            yield Proposal(
                kind=Kind.PURGE,
                target=what,
                reason=f"{what.capitalize()} take {wording.size(frees)} of the disk, of which "
                f"{wording.size(host.disk_free_bytes)} are free.",
                assumes=assumes,
                confidence=confidence,
                evidence=evidence,
                predicts={"disk_freed_bytes": frees},
                expires_in_s=EXPIRES_S,
            )


def _deletion(
    snapshot: Snapshot,
    model: str,
    reason: str,
    *,
    confidence: int,
    further: tuple[Evidence, ...],
) -> Proposal:
    names = ("last_used_us", "created_us", "frees_bytes", "pinned", "state", "source")
    again = snapshot.models[model].source in AGAIN
    return Proposal(
        kind=Kind.DELETE,
        target=model,
        reason=wording.cut(reason),
        assumes=CAN_BE_PULLED if again else IS_ONLY_HERE,
        confidence=confidence if again else confidence - LESS_SURE,
        evidence=(*of_model(snapshot, model, names), *further),
        predicts={"disk_freed_bytes": snapshot.models[model].frees_bytes},
        expires_in_s=EXPIRES_S,
    )


HOUSEKEEPING: Final = Housekeeping()
