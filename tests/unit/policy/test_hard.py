"""The hard policy: who may do what at once, what needs a person, and that errors are denials."""

from collections.abc import Callable
from typing import Any

import pytest

from app.authority.permissions import Permission
from app.authority.policy.admitting import NeedsApproval, admit
from app.authority.policy.decisions import Decision, Outcome, Question
from app.authority.policy.hard import (
    GOVERNED,
    RUNS,
    HardPolicy,
    HardRule,
    decided,
)
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import PolicyDenied

OPERATOR = Actor("key:1", "op", frozenset({Role.OPERATOR}))
APPROVER = Actor("key:2", "ap", frozenset({Role.APPROVER}))
CLIENT = Actor("key:3", "cl", frozenset({Role.CLIENT}))
AUDITOR = Actor("key:4", "au", frozenset({Role.AUDITOR}))
ADVISOR = Actor("key:5", "ad", frozenset({Role.ADVISOR}))
ADVISING_OPERATOR = Actor("key:6", "x", frozenset({Role.ADVISOR, Role.OPERATOR, Role.APPROVER}))
NOBODY_WITH_ROLES = Actor(ANONYMOUS.id, "x", frozenset({Role.OPERATOR}))

PLAIN = HardPolicy()
ASKING = HardPolicy(asks_for=("model_load", "model_pull"))
SIGNED = HardPolicy(require_signature=True)


def outcome(policy: HardPolicy, act: str, actor: Actor, **facts: Any) -> Outcome:
    return policy.decide(Question(act, actor, "a/b", facts)).outcome


def fired(decision: Decision) -> list[str]:
    return [f.rule for f in decision.fired]


@pytest.mark.parametrize("act", sorted(RUNS))
def test_an_operator_runs_models_at_once(act: str) -> None:
    assert outcome(PLAIN, act, OPERATOR) is Outcome.ALLOW


@pytest.mark.parametrize("act", sorted(GOVERNED))
@pytest.mark.parametrize("actor", [OPERATOR, APPROVER, SYSTEM])
def test_what_destroys_or_changes_control_needs_a_person(act: str, actor: Actor) -> None:
    assert outcome(PLAIN, act, actor) is Outcome.REQUIRE_APPROVAL


@pytest.mark.parametrize("act", sorted(GOVERNED | RUNS | {"of a later release", ""}))
@pytest.mark.parametrize("actor", [ADVISOR, ADVISING_OPERATOR])
def test_an_advisor_never_acts_whatever_else_its_key_may(act: str, actor: Actor) -> None:
    decision = ASKING.decide(Question(act, actor, "a/b"))
    assert decision.outcome is Outcome.DENY
    assert "advisors-never-act" in fired(decision)


@pytest.mark.parametrize("act", sorted((GOVERNED | RUNS) - {"model_load_jit"}))
@pytest.mark.parametrize("actor", [CLIENT, ANONYMOUS, AUDITOR, NOBODY_WITH_ROLES])
def test_clients_auditors_and_strangers_do_no_governed_act(act: str, actor: Actor) -> None:
    assert outcome(PLAIN, act, actor) is Outcome.DENY
    assert outcome(ASKING, act, actor) is Outcome.DENY


@pytest.mark.parametrize("actor", [CLIENT, ANONYMOUS, OPERATOR])
def test_whoever_may_ask_a_model_may_cause_its_load(actor: Actor) -> None:
    assert outcome(PLAIN, "model_load_jit", actor) is Outcome.ALLOW


def test_an_approver_alone_runs_nothing() -> None:
    decision = PLAIN.decide(Question("model_unload", APPROVER, "a/b"))
    assert (decision.outcome, fired(decision)) == (Outcome.DENY, ["default-deny"])


def test_an_act_without_a_rule_is_denied() -> None:
    decision = PLAIN.decide(Question("model_sell", OPERATOR, "a/b"))
    assert (decision.outcome, fired(decision)) == (Outcome.DENY, ["unknown-act"])


PERSON = Actor("key:7", "p", frozenset({Role.APPROVER}), person="p-1")


def test_a_person_with_an_approvers_key_decides() -> None:
    assert outcome(PLAIN, "decide", PERSON) is Outcome.ALLOW


@pytest.mark.parametrize(
    "roles",
    [
        set(),
        {Role.CLIENT},
        {Role.OPERATOR},
        {Role.AUDITOR},
        {Role.ADVISOR},
        {Role.APPROVER, Role.ADVISOR},
    ],
)
def test_nobody_else_decides(roles: set[Role]) -> None:
    actor = Actor("key:8", "x", frozenset(roles), person="p-1")
    assert outcome(PLAIN, "decide", actor) is Outcome.DENY
    assert outcome(HardPolicy(kinds=("decide",)), "decide", actor) is Outcome.DENY


def test_a_key_that_is_no_persons_decides_nothing() -> None:
    assert outcome(PLAIN, "decide", APPROVER) is Outcome.DENY
    assert outcome(PLAIN, "decide", SYSTEM) is Outcome.DENY


def test_the_ask_of_a_load_on_demand_is_judged_as_one() -> None:
    asked = {"params": {"model": "a/b", "on_demand": True}}
    assert outcome(ASKING, "model_load", ANONYMOUS, **asked) is Outcome.REQUIRE_APPROVAL
    assert outcome(PLAIN, "model_load", ANONYMOUS, **asked) is Outcome.ALLOW
    assert outcome(ASKING, "model_load", ADVISOR, **asked) is Outcome.DENY
    assert outcome(ASKING, "model_load", ANONYMOUS, params={"on_demand": 1}) is Outcome.DENY
    assert outcome(ASKING, "model_load", OPERATOR, params=["on_demand"]) is Outcome.DENY


def test_a_kind_that_is_registered_later_needs_an_approval() -> None:
    policy = HardPolicy(kinds=("guardrails_of_tomorrow", "model_load"))
    assert outcome(policy, "guardrails_of_tomorrow", OPERATOR) is Outcome.REQUIRE_APPROVAL
    assert outcome(policy, "model_load", OPERATOR) is Outcome.ALLOW
    assert policy.policy_hash != PLAIN.policy_hash


@pytest.mark.parametrize("act", ["model_load", "model_load_jit", "model_pull"])
def test_the_settings_make_asks_of_runs(act: str) -> None:
    decision = ASKING.decide(Question(act, OPERATOR, "a/b"))
    assert decision.outcome is Outcome.REQUIRE_APPROVAL
    assert fired(decision)[0] == "configured-asks"


def test_the_settings_make_an_ask_of_an_anonymous_load_on_demand() -> None:
    assert outcome(ASKING, "model_load_jit", ANONYMOUS) is Outcome.REQUIRE_APPROVAL


def test_only_runs_that_are_known_can_be_made_asks() -> None:
    with pytest.raises(ValueError, match="model_delete"):
        HardPolicy(asks_for=("model_delete",))


@pytest.mark.parametrize("act", ["model_import", "model_publish"])
def test_where_signatures_are_demanded_only_one_that_holds_lets_a_model_in(act: str) -> None:
    assert outcome(SIGNED, act, OPERATOR, signature="verified") is Outcome.ALLOW
    assert outcome(SIGNED, act, OPERATOR, signature="invalid") is Outcome.DENY
    assert outcome(SIGNED, act, OPERATOR, signature="absent") is Outcome.DENY
    assert outcome(PLAIN, act, OPERATOR) is Outcome.ALLOW


@pytest.mark.parametrize("facts", [{}, {"signature": None}, {"signature": True}, {"signature": 1}])
def test_a_fact_that_is_missing_or_of_another_type_is_a_denial_that_names_it(
    facts: dict[str, Any],
) -> None:
    decision = SIGNED.decide(Question("model_import", OPERATOR, "a/b", facts))
    assert decision.outcome is Outcome.DENY
    assert len(decision.errors) == 1
    assert "signed-models-only: the fact 'signature'" in decision.errors[0]


def raises(_: Question) -> bool:
    raise KeyError("secret")


def says_maybe(_: Question) -> Any:
    return 1


def recurses(question: Question) -> bool:
    return recurses(question)


@pytest.mark.parametrize("broken", [raises, says_maybe, recurses])
@pytest.mark.parametrize("of", list(Outcome))
def test_a_rule_that_fails_denies_whatever_it_would_have_said(
    broken: Callable[[Question], bool], of: Outcome
) -> None:
    good = HardRule("good", Outcome.ALLOW, "Yes.", lambda _: True)
    bad = HardRule("bad", of, "Perhaps.", broken)
    decision = decided((good, bad), Question("x", OPERATOR, ""), policy_hash="")
    assert decision.outcome is Outcome.DENY
    assert decision.errors[0].startswith("bad: ")
    assert "secret" not in decision.errors[0]


@pytest.mark.parametrize(
    "question",
    [
        Question(["model_load"], OPERATOR, "a/b"),  # type: ignore[arg-type]
        Question("model_load", None, "a/b"),  # type: ignore[arg-type]
        Question("model_load", Actor("key:1", "x", None), "a/b"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_question_is_denied(question: Question) -> None:
    decision = PLAIN.decide(question)
    assert decision.outcome is Outcome.DENY
    assert decision.errors


@pytest.mark.parametrize(
    "act", ["MODEL_LOAD", "model_load ", "model\u200b_load", "model_lo\u0430d"]
)
def test_a_name_that_looks_like_an_act_is_none(act: str) -> None:
    assert outcome(PLAIN, act, OPERATOR) is Outcome.DENY


def test_no_rules_deny() -> None:
    decision = decided((), Question("model_load", OPERATOR, ""), policy_hash="h")
    assert (decision.outcome, fired(decision)) == (Outcome.DENY, ["default-deny"])


def test_the_policy_hash_says_what_decides() -> None:
    assert PLAIN.policy_hash == HardPolicy().policy_hash
    hashes = {p.policy_hash for p in (PLAIN, ASKING, SIGNED, HardPolicy(asks_for=["model_load"]))}
    assert len(hashes) == 4
    assert ASKING.policy_hash == HardPolicy(asks_for=("model_pull", "model_load")).policy_hash


def test_a_recorded_decision_is_reproduced() -> None:
    question = Question("model_publish", OPERATOR, "a/b", {"signature": "verified"})
    kept = admit(SIGNED, question)
    again = admit(SIGNED, Question(kept["act"], OPERATOR, "a/b", kept["facts"]))
    assert kept == again
    assert kept["policy_hash"] == SIGNED.policy_hash


def test_a_denial_is_a_refusal_with_the_rules_that_fired() -> None:
    with pytest.raises(PolicyDenied, match="advisor's key proposes") as refused:
        admit(PLAIN, Question("model_load", ADVISOR, "a/b"))
    rules = refused.value.details["policy"]["rules"]
    assert {"advisors-never-act", "only-operators-and-approvers-act"} <= {r["id"] for r in rules}


def test_what_needs_an_approval_is_no_refusal_yet() -> None:
    with pytest.raises(NeedsApproval) as needs:
        admit(ASKING, Question("model_load", OPERATOR, "a/b"))
    assert needs.value.decision.outcome is Outcome.REQUIRE_APPROVAL


def test_every_run_of_the_policy_has_a_permission_or_is_a_step_of_one() -> None:
    named = {str(p).replace(".", "_") for p in Permission}
    assert RUNS - named == {"model_publish"}
