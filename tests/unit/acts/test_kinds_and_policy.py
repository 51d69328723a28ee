"""Every kind of act that can be asked for is one that policy has a rule for, and the other way."""

from typing import Any

import pytest

from app.authority.acts.registry import KINDS
from app.authority.policy.decisions import Outcome, Question
from app.authority.policy.hard import GOVERNED, MAY_BE_ASKED, HardPolicy
from app.domain.actors import Actor, Role

OPERATOR = Actor("key:1", "op", frozenset({Role.OPERATOR}), person="p-1")


class Anything:
    """Stands for whatever an act is made of: constructors only keep it."""

    def __getattr__(self, name: str) -> Any:
        return self


ACTS = [make(Anything()) for make in KINDS]  # type: ignore[arg-type]


def test_what_is_registered_is_what_policy_knows() -> None:
    assert {act.kind for act in ACTS} == GOVERNED | MAY_BE_ASKED


@pytest.mark.parametrize("kind", sorted(act.kind for act in ACTS))
def test_no_kind_is_denied_to_an_operator_and_none_that_destroys_is_free(kind: str) -> None:
    outcome = HardPolicy().decide(Question(kind, OPERATOR, "x")).outcome
    expected = Outcome.ALLOW if kind in MAY_BE_ASKED else Outcome.REQUIRE_APPROVAL
    assert outcome is expected


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.kind)
def test_each_kind_declares_what_is_typed(act: Any) -> None:
    assert act.phrase.startswith("yes, ")
    assert act.meaning.endswith(".")
