"""The use cases of operators: load, unload, import, verify.

Each asks `permissions` for a grant first; whoever calls them need not and cannot skip it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.authority.catalog import Catalog, ImportProgress
from app.authority.catalog.signatures import Signature
from app.authority.following import Followed
from app.authority.lifecycle.plain import residency_of
from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.authority.policy.admitting import AskInstead, NeedsApproval, admit, no_asks
from app.authority.policy.decisions import PolicyDecisionPoint, Question
from app.authority.policy.hard import IMPORT, VERIFY, HardPolicy
from app.authority.reading import described
from app.domain.actors import Actor
from app.domain.models import CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import DigestMismatch, InvalidRequest, ModelNotFound, NotLoadable
from app.domain.terms import MAX_SLOTS
from app.observability import recorded_path

Tell = Callable[[ImportProgress], None]


@dataclass(frozen=True, slots=True)
class Execution:
    """Acts on behalf of an actor. All methods raise Refusals and nothing else on purpose."""

    catalog: Catalog
    serving: Serving
    policy: PolicyDecisionPoint = field(default_factory=HardPolicy)
    asks: AskInstead = no_asks

    async def load(
        self, actor: Actor, model_id: str, *, context: int | None, slots: int | None, pinned: bool
    ) -> dict[str, Any]:
        """Bring a catalog model into memory; returns its residency.

        Raises ApprovalRequired where policy makes an ask of it.
        """
        asked = {"context": context, "slots": slots, "pinned": pinned}
        with attempting(Permission.MODEL_LOAD, **asked):
            may = grant(actor, Permission.MODEL_LOAD, subject=model_id)
            model = self.catalog.get(model_id)
            terms = self._terms(model, context, slots, pinned)
            try:
                held = await self.serving.load(may, model, terms)
            except NeedsApproval as needs:
                raise await self.asks(needs, None) from None
            return residency_of(held)

    async def unload(self, actor: Actor, model_id: str) -> dict[str, Any]:
        """Let answers end and stop the worker; returns what was freed."""
        with attempting(Permission.MODEL_UNLOAD):
            may = grant(actor, Permission.MODEL_UNLOAD, subject=model_id)
            model = self.catalog.get(model_id)
            return {"id": model.id, **await self.serving.unload(may, model.id)}

    async def verify(self, actor: Actor, model_id: str) -> dict[str, Any]:
        """Hash every file again; a model that passes is released from quarantine."""
        with attempting(Permission.MODEL_VERIFY, full=True):
            may = grant(actor, Permission.MODEL_VERIFY, subject=model_id)
            admit(self.policy, Question(VERIFY, actor, model_id))
            await asyncio.to_thread(self.catalog.verify, model_id, full=True, actor=may.actor)
            await self.serving.release(may.actor, model_id)
        return {**described(self.catalog.get(model_id)), "verified": True}

    async def verify_all(self, actor: Actor) -> AsyncIterator[dict[str, Any]]:
        """Hash every file of every model again, whatever the receipts say, model by model.

        Yield ``{"hashing": {model, path, done, total}}`` meanwhile, ``{"verified": {id, verified,
        trust, size_bytes, why}}`` for each, then ``{"done": {models, damaged}}``. Closing the
        iterator ends it; what was found until then stays recorded.
        """
        with attempting(Permission.MODEL_VERIFY, full=True, all=True):
            may = grant(actor, Permission.MODEL_VERIFY)
            models = self.catalog.list()
            for model in models:
                admit(self.policy, Question(VERIFY, actor, model.id))
        found: list[dict[str, Any]] = []
        for model in models:
            verifying = Followed(partial(self._verify, model.id, may.actor))
            why = None
            try:
                async with aclosing(verifying.steps()) as steps:
                    async for step in steps:
                        yield {"hashing": {"model": model.id, **asdict(step)}}
                await self.serving.release(may.actor, model.id)
            except ModelNotFound:  # deleted while others were hashed
                continue
            except (DigestMismatch, NotLoadable) as refusal:
                why = refusal.message
            now = self.catalog.get(model.id) if model.id in self.catalog.ids() else model
            found.append(
                {
                    "id": model.id,
                    "verified": why is None,
                    "trust": str(now.trust),
                    "size_bytes": model.size_bytes,
                    "why": why,
                }
            )
            yield {"verified": found[-1]}
        damaged = [each["id"] for each in found if not each["verified"]]
        yield {"done": {"models": found, "damaged": damaged}}

    def _verify(
        self, model_id: str, actor: Actor, tell: Tell, cancelled: Callable[[], bool]
    ) -> Path:
        watch = self.catalog.watch(tell, cancelled)
        return self.catalog.verify(model_id, full=True, actor=actor, watch=watch)

    async def import_model(
        self, actor: Actor, path: str, name: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"hashing": {path, done, total}}`` while it works, then ``{"done": model}``.

        Closing the iterator cancels the import, which leaves nothing behind.
        """
        with attempting(Permission.MODEL_IMPORT, source=recorded_path(Path(path))[:500]):
            may = grant(actor, Permission.MODEL_IMPORT, subject=name or path)
            directory = Path(path)
            if not directory.is_absolute():
                raise InvalidRequest(
                    "Give the absolute path of the model's directory.", param="path"
                )

            def signed(found: Signature) -> Mapping[str, Any]:
                facts = {"signature": str(found.status)}
                return admit(self.policy, Question(IMPORT, actor, name or path, facts))

            def work(tell: Tell, cancelled: Callable[[], bool]) -> CatalogModel:
                return self.catalog.import_directory(
                    may, directory, name, tell, cancelled, admit=signed
                )

            importing = Followed(work)
            async with aclosing(importing.steps()) as steps:
                async for step in steps:
                    yield {"hashing": asdict(step)}
            yield {"done": await asyncio.to_thread(self._entered, importing.result)}

    def _entered(self, model: CatalogModel) -> dict[str, Any]:
        """A model with what its signature was worth when it came."""
        origin = self.catalog.origin(model.id)
        return {**described(model), **{k: origin[k] for k in ("signature", "signer")}}

    def _terms(
        self, model: CatalogModel, context: int | None, slots: int | None, pinned: bool
    ) -> Terms | None:
        if context is None and slots is None and not pinned:
            return None
        if context is not None and not 1 <= context <= model.max_context:
            raise InvalidRequest(
                f"{model.id} takes a context of 1 to {model.max_context} tokens, not {context}.",
                param="context",
            )
        if slots is not None and not 1 <= slots <= MAX_SLOTS:
            raise InvalidRequest(f"Slots go from 1 to {MAX_SLOTS}, not {slots}.", param="slots")
        usual = self.serving.usual_terms(model)
        return Terms(
            context=context or usual.context,
            slots=slots or usual.slots,
            pinned=pinned or model.pinned,
        )
