"""What accepting a proposal of each kind does: the ordinary use case, by the person who accepts.

A table and nothing else. Whatever these use cases refuse, they refuse here too.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from app.authority.advice.kept import Kept, State
from app.authority.advice.limits import replaced
from app.authority.advice.ports import Execution, Guarding, Housekeeping, Json, Pulls
from app.authority.catalog.publishing import model_exists
from app.authority.permissions import Permission, check
from app.authority.policy.hard import PULL
from app.authority.ports import Asks
from app.domain.actors import Actor
from app.domain.advice.proposals import Kind, Proposal
from app.domain.refusal import attempting
from app.domain.refusals import Forbidden, ProposalEnded


@dataclass(frozen=True, slots=True)
class UseCases:
    """`models`: all that there are, by id, and when each came, in seconds of UTC."""

    execution: Execution
    housekeeping: Housekeeping
    asks: Asks
    guarding: Guarding
    pulls: Pulls
    models: Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Person:
    """Who accepts, and why; an ask is made with that reason."""

    actor: Actor
    reason: str
    request_id: str | None = None


async def act(cases: UseCases, by: Person, proposal: Proposal) -> str | None:
    """Do it, or ask for it: the ask's id, None where it is done. Raises what the use case does."""
    return await _DOES[proposal.kind](cases, by, proposal)


def refuse_nobody(actor: Actor) -> None:
    """Raise Forbidden where the actor may not decide on advice, or is no person."""
    check(actor, Permission.ADVICE_DECIDE)
    if actor.person is None:
        raise Forbidden(
            "A person decides on advice, and this key belongs to nobody. Use one that is a "
            "person's: lmx keys ls says whose each is.",
            details={"permission": str(Permission.ADVICE_DECIDE)},
        )


def refuse_ended(kept: Kept, now_us: int) -> None:
    """Raise ProposalEnded where it was decided on, or its time is over."""
    why = str(kept.state) if kept.state is not State.OPEN else "over: it expired"
    if kept.state is not State.OPEN or now_us >= kept.expires_us:
        raise ProposalEnded(f"Proposal {kept.id} is {why}. Look at it: lmx advice show {kept.id}")


def refuse_replaced(kept: Kept, models: Mapping[str, int]) -> None:
    """Raise ProposalEnded where a model that it names is another one by now."""
    if (model := replaced(kept, models)) is not None:
        raise ProposalEnded(
            f"{model} is another model than the one that proposal {kept.id} is about: it came "
            f"later, under the same name. Dismiss it: lmx advice dismiss {kept.id} --reason TEXT"
        )


def refuse_held(name: str, models: Collection[str]) -> None:
    """Raise ModelExists for a pull of what is here, before a hub is asked."""
    with attempting(Permission.MODEL_PULL, name=name):
        if name in models:
            raise model_exists(name)


async def _load(cases: UseCases, by: Person, proposal: Proposal) -> None:
    terms = {name: proposal.change.get(name) for name in ("context", "slots")}
    await cases.execution.load(by.actor, proposal.target, **terms, pinned=False)


async def _unload(cases: UseCases, by: Person, proposal: Proposal) -> None:
    await cases.execution.unload(by.actor, proposal.target)


async def _pin(cases: UseCases, by: Person, proposal: Proposal) -> None:
    pinned = proposal.kind is Kind.PIN
    await cases.housekeeping.pin(by.actor, proposal.target, pinned=pinned)


async def _route(cases: UseCases, by: Person, proposal: Proposal) -> None:
    first, *rest = proposal.change["models"]
    await cases.housekeeping.put_alias(by.actor, first, proposal.target, rest)


async def _terms(cases: UseCases, by: Person, proposal: Proposal) -> None:
    await cases.housekeeping.set_terms(by.actor, proposal.target, **proposal.change)


async def _delete(cases: UseCases, by: Person, proposal: Proposal) -> str:
    return _ask_of(
        await cases.housekeeping.delete(
            by.actor, proposal.target, drain=False, reason=by.reason, request_id=by.request_id
        )
    )


async def _purge(cases: UseCases, by: Person, proposal: Proposal) -> str:
    return _ask_of(
        await cases.housekeeping.purge(
            by.actor, proposal.target, reason=by.reason, request_id=by.request_id
        )
    )


async def _pull(cases: UseCases, by: Person, proposal: Proposal) -> str:
    """The hub says which commit it is now: what is approved must not move."""
    refuse_held(proposal.target, cases.models())
    revision = proposal.change.get("revision")
    plan = await cases.pulls.plan(by.actor, proposal.target, revision, None)
    params = {"repo": plan["repo"], "revision": plan["commit"], "name": plan["name"]}
    return _ask_of(await cases.asks.ask(by.actor, PULL, params, by.reason, by.request_id))


async def _guardrail(cases: UseCases, by: Person, proposal: Proposal) -> str | None:
    """What is bound already, exactly as it is proposed, is done."""
    made = await cases.guarding.add(
        by.actor,
        proposal.target,
        proposal.change["intent"],
        reason=by.reason,
        request_id=by.request_id,
    )
    return None if "task" in made else _ask_of(made)


def _ask_of(made: Json) -> str:
    return str(made["id"])


_DOES: Final[Mapping[Kind, Callable[[UseCases, Person, Proposal], Awaitable[str | None]]]] = {
    Kind.LOAD: _load,
    Kind.UNLOAD: _unload,
    Kind.PIN: _pin,
    Kind.UNPIN: _pin,
    Kind.ROUTE: _route,
    Kind.TERMS: _terms,
    Kind.DELETE: _delete,
    Kind.PURGE: _purge,
    Kind.PULL: _pull,
    Kind.GUARDRAIL: _guardrail,
}
