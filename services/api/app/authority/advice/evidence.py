"""Comparing what a proposal gives as evidence with the snapshot that it names. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from app.authority.advice.plain import invalid, shown
from app.domain.advice.proposals import Evidence, Proposal

_SCALARS: Final = (int, str, bool, type(None))
_NOTHING: Final = object()


def compare(proposal: Proposal, facts: Mapping[str, Any]) -> None:
    """Raise ProposalInvalid unless every fact is in `facts`, with exactly this value."""
    for at, fact in enumerate(proposal.evidence):
        where = f"evidence[{at}]"
        found = _at(facts, fact.field)
        if found is _NOTHING:
            raise invalid(where, f"is not in that snapshot: {_path(fact)}")
        if not isinstance(found, _SCALARS):
            raise invalid(where, f"is no single fact: {_path(fact)} holds several")
        if type(found) is not type(fact.value) or found != fact.value:
            raise invalid(
                where, f"is not what that snapshot says: {_path(fact)} is {_said(found)} there"
            )


def _at(facts: object, path: tuple[str, ...]) -> object:
    """What lies at `path`; an item of a list has its number as its name."""
    for part in path:
        if isinstance(facts, Mapping):
            facts = facts.get(part, _NOTHING)
        elif isinstance(facts, list | tuple) and part in map(str, range(len(facts))):
            facts = facts[int(part)]
        else:
            return _NOTHING
    return facts


def _path(fact: Evidence) -> str:
    return shown(".".join(fact.field))


def _said(value: object) -> str:
    return shown(value) if isinstance(value, str) else str(value)
