"""Loading a model where policy wants a person for it: what it needs, and the load itself."""

from collections.abc import Mapping
from typing import Any, Final

from app.authority import feasibility
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog import Catalog
from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission, grant
from app.authority.policy.hard import LOAD
from app.authority.ports import MemoryProbe
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.feasibility import gib
from app.domain.models import CatalogModel
from app.domain.refusals import InvalidRequest, NotLoadable
from app.domain.terms import MAX_SLOTS

_TERMS: Final = frozenset({"context", "slots", "pinned"})
_PARAMS: Final = _TERMS | {"model", "on_demand"}


class ModelLoad:
    """params: ``{model, context?, slots?, pinned?}``, or ``{model, on_demand: true}``."""

    kind = LOAD
    permission = Permission.MODEL_LOAD
    meaning = "Bring a model into memory."
    phrase = "yes, load NAME"
    asker_executes = False

    def __init__(self, catalog: Catalog, serving: Serving, probe: MemoryProbe) -> None:
        self._catalog = catalog
        self._serving = serving
        self._probe = probe

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        """The load's terms and what it needs. Whether it fits at that moment is decided then."""
        model = self._catalog.get(_name(params))
        terms = self._terms(model, params)
        if not model.trust.loadable:
            raise NotLoadable(
                f"{model.id} is in quarantine. Put its files right, then: lmx models verify "
                f"{model.id}"
            )
        if self._serving.residency.state(model.id) is State.READY:
            raise NotFeasible(f"{model.id} is loaded already. Unload it first to load it anew.")
        need = feasibility.need(
            self._catalog.shape(model.id),
            context=terms.context,
            slots=terms.slots,
            worker_base_bytes=0,  # measured while the server runs: it would make plans stale
        )
        total = self._probe.read().total_bytes
        if need.total_bytes > total:
            raise NotFeasible(
                f"{model.id} needs {gib(need.total_bytes)} and this machine has {gib(total)}. Ask "
                "for a smaller context or fewer slots."
            )
        return Drawn(
            subject=model.id,
            verb="load",
            phrase=self.phrase.replace("NAME", model.id),
            irreversible=False,
            targets=({"kind": "model", "id": model.id, "digest": model.digest},),
            generation=self._catalog.generation(model.id),
            effects={
                "context": terms.context,
                "slots": terms.slots,
                "pinned": terms.pinned,
                "weights_bytes": need.weights_bytes,
                "kv_bytes": need.kv_bytes,
                "prompt_cache_bytes": need.prompt_cache_bytes,
                "workspace_bytes": need.workspace_bytes,
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        """Load it now. A load that the server's end cut off is not begun again by itself."""
        require_warrant(warrant, LOAD)
        if warrant.actor == SYSTEM:
            return Effect(done=False, reason="The server ended while it loaded. Ask again.")
        plan = warrant.plan
        model = self._catalog.get(plan["subject"])
        terms = Terms(**{name: plan["effects"][name] for name in _TERMS})
        # An approver who is no operator may execute what was approved: then the server loads, and
        # the intent of the act says at whose word.
        may_load = Role.OPERATOR in warrant.actor.roles
        may = grant(warrant.actor if may_load else SYSTEM, Permission.MODEL_LOAD, subject=model.id)
        held = await self._serving.load(may, model, terms, warrant=warrant)
        return Effect(done=True, data={"resident_bytes": held.resident_bytes})

    def _terms(self, model: CatalogModel, params: Mapping[str, Any]) -> Terms:
        known = _PARAMS if params.get("on_demand") is not True else {"model", "on_demand"}
        for name in params:
            if name not in known:
                raise InvalidRequest(f"A load has no '{name[:64]}' here.", param=f"params.{name}")
        usual = self._serving.usual_terms(model)
        context = params.get("context", usual.context)
        slots = params.get("slots", usual.slots)
        pinned = params.get("pinned", False)
        if type(context) is not int or not 1 <= context <= model.max_context:
            raise InvalidRequest(
                f"{model.id} takes a context of 1 to {model.max_context} tokens.",
                param="params.context",
            )
        if type(slots) is not int or not 1 <= slots <= MAX_SLOTS:
            raise InvalidRequest(f"Slots go from 1 to {MAX_SLOTS}.", param="params.slots")
        if type(pinned) is not bool:
            raise InvalidRequest("`pinned` is true or false.", param="params.pinned")
        return Terms(context=context, slots=slots, pinned=pinned)


def _name(params: Mapping[str, Any]) -> str:
    name = params.get("model")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("Name the model.", param="params.model")
    return name
