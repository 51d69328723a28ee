"""Everything that only looks: the one place readers go through to see the authority's state."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.authority import feasibility
from app.authority.catalog import Catalog
from app.authority.catalog.abilities import capabilities, chat_template, reasoning_options
from app.authority.catalog.inspection import inspect_directory
from app.authority.keys import Keys
from app.authority.lifecycle.plain import memory_of, residency_of
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import HOLDS_MEMORY, State
from app.authority.permissions import Access, Permission, grant
from app.authority.policy.routing import Routing
from app.authority.ports import Clock, MemoryProbe
from app.authority.rules import RULES, rules_digest
from app.domain.actors import Actor
from app.domain.feasibility import Fits
from app.domain.models import CatalogModel
from app.domain.refusals import InvalidRequest, ModelNotFound
from app.domain.shapes import ModelShape
from app.domain.terms import NEVER, OwnTerms, UsualTerms


@dataclass(frozen=True, slots=True)
class Installation:
    """Facts about this server that never change while it runs."""

    version: str
    listening: str
    home: str
    operator_key_path: str
    started: float
    default_context: int
    default_slots: int
    safe_mode: str = ""
    """Why no model is loaded unless an operator says so, or ""."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Queries. Each asks for a grant first."""

    catalog: Catalog
    routing: Routing
    serving: Serving
    keys_store: Keys
    probe: MemoryProbe
    clock: Clock
    access: Access
    installation: Installation
    standing: Callable[[], dict[str, Any]]
    """How the ledger stands, as plain values."""
    overrides: Callable[[], Mapping[str, Any]] = dict
    """Strict rules that are set aside now: what holds instead, until when, by whom."""
    profile: Callable[[], str] = str
    """The kind of approval profile that holds now."""
    guardrails: Callable[[], dict[str, Any]] = dict
    """Which guardrails are in force."""
    advice: Callable[[], dict[str, Any]] = dict
    """How many proposals wait, and the walls around advisors."""
    glance: Callable[[], Mapping[str, Any]] = dict
    """Who uses which model, what waits and what was refused last."""
    _facts: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    """What never changes of a model, by its digest, so that no listing reads a file."""

    async def described_models(self, actor: Actor) -> list[dict[str, Any]]:
        """Each model that a request may name, by id, with what clients choose one by.

        Keys: `id`, `aliases` that lead to it, `publisher`, `display_name`, `created` (Unix
        seconds), `digest`, `size_bytes`, `max_context`, `architecture`, `format` (mlx, gguf),
        `task` (generate, embed, rerank), `quantization` (empty: none), `parameters` (0: unknown),
        `capabilities` (tools, reasoning, vision), `reasoning_options` (off, on, low, medium,
        high), `state` (of its residency), `loaded`, and, while it holds memory, `context` and
        `slots`; else they are None.
        """
        grant(actor, Permission.MODELS_READ, access=self.access)
        models = [m for m in self.catalog.list() if m.trust.loadable]
        routes = self.routing.routes({m.id for m in models})
        found = []
        for model in models:
            facts = self._facts.get(model.digest)
            if facts is None:
                try:
                    facts = await asyncio.to_thread(self._read_facts, model)
                except ModelNotFound:  # deleted meanwhile
                    continue
                self._facts[model.digest] = facts
            aliases = [alias for alias, model_id in routes if model_id == model.id]
            found.append({**facts, **self._now(model), "aliases": aliases})
        return found

    async def models(self, actor: Actor) -> list[dict[str, Any]]:
        grant(actor, Permission.STATUS_READ)
        found = []
        for model in self.catalog.list():
            try:
                shape = await asyncio.to_thread(self.catalog.shape, model.id)
            except ModelNotFound:  # deleted meanwhile
                continue
            found.append({**self._with_state(model), **_kind(shape)})
        return found

    async def model(self, actor: Actor, model_id: str) -> dict[str, Any]:
        grant(actor, Permission.STATUS_READ, subject=model_id)
        model = self.catalog.get(model_id)
        manifest = await asyncio.to_thread(self.catalog.manifest, model_id)
        shape = await asyncio.to_thread(self.catalog.shape, model_id)
        origin = await asyncio.to_thread(self.catalog.origin, model_id)
        return {
            **self._with_state(model),
            **origin,
            "files": [asdict(a) for a in manifest.artifacts],
            "shape": asdict(shape),
        }

    async def fit(
        self,
        actor: Actor,
        *,
        model: str | None,
        path: str | None,
        context: int | None,
        slots: int | None,
    ) -> dict[str, Any]:
        """The server's own verdict on a load, with the arithmetic; nothing is loaded or evicted.

        What is not said of its terms is what a load would take.
        """
        grant(actor, Permission.MODEL_FIT, subject=model or path or "")
        shape, usual = await asyncio.to_thread(self._shape, model, path)
        need = feasibility.need(
            shape,
            context=context or usual.context,
            slots=slots or usual.slots,
            worker_base_bytes=self.serving.loading.worker_base_bytes,
        )
        verdict = await self.serving.admission.verdict(need)
        return {
            "verdict": "fits" if isinstance(verdict, Fits) else "does_not_fit",
            **verdict.as_dict(),
            **_kind(shape),
            "message": verdict.message(),
        }

    async def keys(self, actor: Actor) -> list[dict[str, Any]]:
        may = grant(actor, Permission.KEYS_READ)
        return [key.as_dict() for key in await asyncio.to_thread(self.keys_store.list, may)]

    async def rules(self, actor: Actor) -> dict[str, Any]:
        grant(actor, Permission.RULES_READ)
        aside = await asyncio.to_thread(self.overrides)
        return {
            "digest": rules_digest(),
            "rules": [{**rule.as_dict(), "set_aside": aside.get(rule.id)} for rule in RULES],
        }

    async def status(self, actor: Actor) -> dict[str, Any]:
        grant(actor, Permission.STATUS_READ)
        installation = self.installation
        return {
            "version": installation.version,
            "listening": installation.listening,
            "home": installation.home,
            "profile": await asyncio.to_thread(self.profile),
            "operator_key_path": installation.operator_key_path,
            "uptime_s": round(self.clock.monotonic() - installation.started),
            "safe_mode": installation.safe_mode or None,
            "ledger": await asyncio.to_thread(self.standing),
            "guardrails": await asyncio.to_thread(self.guardrails),
            "advice": await asyncio.to_thread(self.advice),
            **await asyncio.to_thread(self.glance),
            "memory": await self._memory(),
            "models": [
                {
                    **residency_of(held, now=self.clock.monotonic()),
                    "aliases": self.routing.aliases_of(held.model_id),
                }
                for held in self.serving.residency.all()
            ],
        }

    async def _memory(self) -> dict[str, int]:
        reading = await asyncio.to_thread(self.probe.read)
        return memory_of(reading, self.serving.residency, now=self.clock.monotonic())

    def _shape(self, model: str | None, path: str | None) -> tuple[ModelShape, UsualTerms]:
        if (model is None) == (path is None):
            raise InvalidRequest("Name either a model or a path, and not both.", param="model")
        if model is not None:
            return self.catalog.shape(model), self.serving.usual_terms(self.catalog.get(model))
        directory = Path(path or "")
        if not directory.is_absolute():
            raise InvalidRequest("Give the absolute path of the model's directory.", param="path")
        shape = inspect_directory(directory)
        known = self.installation
        usual = UsualTerms(known.default_context, known.default_slots, NEVER)
        return shape, usual.for_model(OwnTerms(), max_context=shape.max_context)

    def _read_facts(self, model: CatalogModel) -> dict[str, Any]:
        shape = self.catalog.shape(model.id)
        template = chat_template(self.catalog.store.view(model.digest))
        return {
            "digest": model.digest,
            "size_bytes": model.size_bytes,
            "max_context": model.max_context,
            "architecture": model.architecture,
            **_kind(shape),
            "capabilities": capabilities(template),
            "reasoning_options": reasoning_options(template),
        }

    def _now(self, model: CatalogModel) -> dict[str, Any]:
        publisher, _, name = model.id.partition("/")
        held = self.serving.residency.known(model.id)
        terms = held.terms if held is not None and held.state in HOLDS_MEMORY else None
        state = held.state if held is not None else State.ABSENT
        return {
            "id": model.id,
            "publisher": publisher,
            "display_name": name,
            "created": model.created,
            "state": str(state),
            "loaded": state is State.READY,
            "context": terms.context if terms else None,
            "slots": terms.slots if terms else None,
        }

    def _with_state(self, model: CatalogModel) -> dict[str, Any]:
        return {
            **described(model),
            "state": str(self.serving.residency.state(model.id)),
            "aliases": self.routing.aliases_of(model.id),
            **said_of(model, self.serving, self.routing.aliases),
        }


def described(model: CatalogModel) -> dict[str, Any]:
    """A catalog model as plain values. `licence`: what its author says; None: unknown."""
    return {**asdict(model), "trust": str(model.trust), "licence": model.licence or None}


def said_of(
    model: CatalogModel, serving: Serving, chains: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What a load of the model gets, and the aliases that lead to it among others.

    `terms`: what is set for it alone, None where the setting holds; `usual`: what comes of both;
    `chains`: the models that such an alias tries, in turn.
    """
    return {
        "terms": serving.own_terms(model.id).as_dict(),
        "usual": serving.usual_terms(model).as_dict(),
        "chains": {
            alias: list(chain)
            for alias, chain in sorted(chains.items())
            if model.id in chain and len(chain) > 1
        },
    }


def _kind(shape: ModelShape) -> dict[str, Any]:
    return {
        "format": str(shape.format),
        "task": str(shape.task),
        "quantization": shape.quantization,
        "parameters": shape.parameters,
    }
