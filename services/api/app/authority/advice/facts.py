"""Builds what advice sees, from what the authority knows: facts, and nothing that names anybody.

A fixed number of queries, however many models there are. Reads files' names and sizes and no file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from app.authority import feasibility
from app.authority.advice.happened import DAY_US, Happened, Refusals, happened
from app.authority.advice.use import MOST_ROWS, LastUse, Sum, Used, Written, used
from app.authority.catalog import Catalog
from app.authority.catalog.caches import Program
from app.authority.catalog.footprints import Footprint, footprints
from app.authority.catalog.survey import Survey, Use, survey_of, volume_of
from app.authority.ledger.hour_use import HOUR_US
from app.authority.ledger.writing import asking_directly
from app.authority.lifecycle.equipment import Limits
from app.authority.lifecycle.residency import Residency
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import HOLDS_MEMORY, State
from app.authority.policy.routing import Routing
from app.authority.ports import Clock, MemoryProbe
from app.domain.advice.snapshot import AliasFacts, HostFacts, ModelFacts, Snapshot
from app.domain.feasibility import Need
from app.domain.memory import MemoryReading
from app.domain.models import CatalogModel
from app.domain.terms import UsualTerms

DAYS: Final = 30
_NOTHING: Final = Happened()
_UNUSED: Final = Sum()


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot in two parts: `facts` has no use by the hour, which is written already."""

    facts: Snapshot
    use: Written


@dataclass(frozen=True, slots=True)
class Facts:
    """Where facts come from. `taken` is for one thread at a time, and may wait for the disk."""

    catalog: Catalog
    routing: Routing
    serving: Serving
    probe: MemoryProbe
    clock: Clock
    readers: Engine
    database: Engine
    limits_now: Callable[[], Limits]
    goals: Mapping[str, int]
    """By alias: milliseconds within which 95 of 100 first tokens should come."""
    home: Path
    most_rows: int = MOST_ROWS
    _refusals: Refusals = field(default_factory=Refusals, init=False)
    _last: LastUse = field(default_factory=LastUse, init=False)

    def taken(self) -> Taken:
        """The facts of now. Raises AuditUnavailable where the database does not answer."""
        now_us = self.clock.utc_us()
        since_hour = now_us // HOUR_US - DAYS * 24 + 1
        since_us = now_us - DAYS * DAY_US
        survey = survey_of(self.home, self.catalog.owners())
        with self.database.connect() as connection:
            taken = footprints(connection)
        with asking_directly(self.readers) as connection:
            asked = used(connection, since_hour, most=self.most_rows)
            known = _Known(
                taken=taken,
                asked=asked,
                last=self._last.before(connection, since_hour),
                happened=happened(connection, since_us),
            )
            refusals = self._refusals.since(connection, since_us)
        models = {
            model.id: self._model(model, known)
            for model in self.catalog.list()
            if model.id in taken  # else it came meanwhile
        }
        facts = Snapshot(
            taken_us=now_us,
            days=DAYS,
            host=self._host(survey),
            models=models,
            aliases=self._aliases(models, asked),
            refusals=refusals,
        )
        return Taken(facts, asked.use)

    def _host(self, survey: Survey) -> HostFacts:
        reading, limits = self.probe.read(), self.limits_now()
        volume = volume_of(self.home / "store")
        return HostFacts(
            memory_total_bytes=reading.total_bytes,
            memory_available_bytes=reading.available_bytes,
            models_budget_bytes=models_budget(
                reading, self.serving.residency, now=self.clock.monotonic()
            ),
            worker_base_bytes=self.serving.loading.worker_base_bytes,
            disk_total_bytes=volume["total_bytes"],
            disk_free_bytes=volume["free_bytes"],
            trash_bytes=survey.uses[Use.TRASH].allocated,
            orphan_bytes=survey.uses[Use.ORPHANS].allocated,
            download_bytes=survey.uses[Use.DOWNLOADS].allocated,
            cache_bytes=survey.uses[Use.CACHES].allocated,
            default_context=limits.default_context,
            default_slots=limits.slots,
            idle_ttl_s=_whole(limits.idle_ttl_s),
            queue_limit=limits.queue_limit,
        )

    def _model(self, model: CatalogModel, known: "_Known") -> ModelFacts:
        taken, usual = known.taken[model.id], self.serving.usual_terms(model)
        shape, of = taken.shape, known.happened.get(model.id, _NOTHING)
        sums = known.asked.models.get(model.id, _UNUSED)
        held = self.serving.residency.known(model.id)
        in_memory = held if held is not None and held.state in HOLDS_MEMORY else None
        terms = in_memory.terms if in_memory is not None else None
        need = need_of(taken, usual, worker_base_bytes=self.serving.loading.worker_base_bytes)
        return ModelFacts(
            digest=model.digest,
            size_bytes=model.size_bytes,
            frees_bytes=taken.own_bytes,
            format=str(shape.format),
            task=str(shape.task),
            quantization=shape.quantization,
            parameters=shape.parameters,
            architecture=model.architecture,
            trust=str(model.trust),
            source=source_of(model.source),
            created_us=model.created * 1_000_000,
            max_context=model.max_context,
            pinned=model.pinned or (in_memory is not None and in_memory.pinned),
            state=str(held.state if held is not None else State.ABSENT),
            resident_bytes=0 if in_memory is None else in_memory.resident_bytes,
            context=None if terms is None else terms.context,
            slots=None if terms is None else terms.slots,
            terms_context=usual.context,
            terms_slots=usual.slots,
            terms_idle_s=_whole(usual.idle_s),
            need_bytes=need.bytes,
            kv_bytes_per_token=need.each_token,
            load_ms=of.median_load_ms,
            last_used_us=known.last.get(model.id)
            if sums.last_used_us is None
            else sums.last_used_us,
            requests=sums.requests,
            cold=sums.cold,
            longest_tokens=sums.longest_tokens,
            ttft_p95_ms=sums.ttft_p95_ms,
            loads=of.loads,
            load_failures=of.load_failures,
            evictions=of.evictions,
        )

    def _aliases(self, models: Mapping[str, ModelFacts], asked: Used) -> dict[str, AliasFacts]:
        """Those that lead to a model that is there."""
        found = {}
        for alias, chain in sorted(self.routing.aliases.items()):
            sums = asked.names.get(alias, _UNUSED)
            if there := tuple(model for model in chain if model in models):
                found[alias] = AliasFacts(
                    models=there,
                    source="file" if alias in self.routing.written else "given",
                    goal_ms=self.goals.get(alias),
                    requests=sums.requests,
                    ttft_p95_ms=sums.ttft_p95_ms,
                )
        return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of all models at once, each by the model's id."""

    taken: Mapping[str, Footprint]
    asked: Used
    last: Mapping[str, int]
    happened: Mapping[str, Happened]


@dataclass(frozen=True, slots=True)
class Needed:
    """What a load needs, and how much of it each token of context in each slot adds."""

    bytes: int
    each_token: int


def need_of(taken: Footprint, usual: UsualTerms, *, worker_base_bytes: int) -> Needed:
    """On its usual terms. Layers with a window add nothing beyond it, so the upper half counts."""
    shape, slots = taken.shape, usual.slots
    context = min(usual.context, shape.max_context)
    less = max(1, context // 2)

    def need(tokens: int) -> Need:
        return feasibility.need(
            shape, context=tokens, slots=slots, worker_base_bytes=worker_base_bytes
        )

    whole = need(context)
    tokens = (context - less) * slots
    added = whole.kv_bytes - need(less).kv_bytes
    return Needed(whole.total_bytes, added // tokens if tokens else 0)


def models_budget(reading: MemoryReading, residency: Residency, *, now: float) -> int:
    """What all models together could take: the budget as if none were in memory."""
    held = [one for one in residency.all() if one.state in HOLDS_MEMORY]
    taken = sum(one.resident_bytes for one in held)
    used_, headroom = reading.cgroup_used_bytes, reading.metal_headroom_bytes
    emptied = replace(
        reading,
        available_bytes=reading.available_bytes + taken,
        cgroup_used_bytes=None if used_ is None else max(0, used_ - taken),
        metal_headroom_bytes=None if headroom is None else headroom + taken,
    )
    budget = feasibility.budget(emptied, promised_untaken_bytes=0, now=now)
    return max(budget.budget_bytes, sum(one.promised_bytes for one in held))


def source_of(source: str) -> str:
    """Where a model came from, in one word: where exactly may be a directory with a name in it."""
    if source.startswith(("https://", "http://")):
        return "pulled"
    if source == "bundled":
        return source
    return "adopted" if source.partition(":")[0] in set(Program) else "imported"


def _whole(seconds: float) -> int:
    return max(0, math.ceil(seconds))
