"""Why a load or an unload cannot begin now: said by whoever acts, and by whoever only looks."""

from app.authority.lifecycle.residency import Held, Terms
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Grant, Permission
from app.domain.actors import SYSTEM
from app.domain.refusals import LoadFailed, ModelBusy, ModelNotLoaded

_MOVING = frozenset({State.LOADING, State.DRAINING, State.UNLOADING})


def refuse_absent(model_id: str, state: State) -> None:
    """Raise ModelBusy or ModelNotLoaded for a model that cannot be unloaded now."""
    if state in _MOVING:
        raise ModelBusy(f"{model_id} is {state}. Ask again when it is done.")
    if state is not State.READY:
        raise ModelNotLoaded(f"{model_id} is not loaded ({state}).")


def refuse_other_terms(model_id: str, have: Terms, wanted: Terms) -> None:
    """Raise ModelBusy where a model is in memory for another context or number of slots."""
    if (wanted.context, wanted.slots) != (have.context, have.slots):
        raise ModelBusy(
            f"{model_id} is loaded with context {have.context} and {have.slots} slots. "
            f"Unload it first to load it with other ones: lmx models unload {model_id}"
        )


def refuse_in_safe_mode(grant: Grant, model_id: str, *, why: str) -> None:
    """Raise LoadFailed for a load that no person asked for. `why`: of safe mode, "" outside it.

    What crashed this server may have been a load: bots that ask again at once would bring it back.
    """
    if why and (grant.permission is Permission.MODEL_LOAD_JIT or grant.actor == SYSTEM):
        raise LoadFailed(
            f"{model_id} is not loaded: this server is in safe mode. {why} "
            f"An operator may load it (lmx models load {model_id}), or stop the server in good "
            "order and start it again, which ends safe mode."
        )


def refuse_crashing(held: Held, *, now: float) -> None:
    """Raise LoadFailed while a model that crashed lately is let be. `now`: monotonic seconds."""
    wait_s = held.crashes.wait_s(now=now)
    if wait_s > 0:
        raise LoadFailed(
            f"{held.model_id} crashed {held.crashes.consecutive} times in a row "
            f"({held.last_failure}). It may be started again in {wait_s} s.",
            retry_after_s=wait_s,
        )
