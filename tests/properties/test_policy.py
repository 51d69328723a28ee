"""However rules are put together: deny over approval over allow, errors deny, silence denies."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.authority.policy.decisions import Outcome, Question
from app.authority.policy.hard import GOVERNED, RUNS, HardPolicy, HardRule, decided
from app.domain.actors import Actor, Role

OPENNESS = [Outcome.DENY, Outcome.REQUIRE_APPROVAL, Outcome.ALLOW]


def answering(what: str) -> bool:
    if what == "error":
        raise RuntimeError("broken")
    return what == "yes"


@st.composite
def rule_lists(draw: st.DrawFn) -> list[HardRule]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(list(Outcome)), st.sampled_from(["yes", "no", "no", "error"])
            ),
            max_size=8,
        )
    )
    return [
        HardRule(f"r{i}", of, f"Rule {i}.", lambda _, says=says: answering(says))
        for i, (of, says) in enumerate(drawn)
    ]


def rule(of: Outcome, says: str) -> HardRule:
    return HardRule("added", of, "Added.", lambda _: answering(says))


actors = st.builds(
    Actor,
    st.sampled_from(["key:1", "anonymous", "system"]),
    st.just("x"),
    st.frozensets(st.sampled_from(list(Role))),
    st.sampled_from([None, "p-1"]),
)
questions = st.builds(
    Question,
    st.sampled_from(sorted(GOVERNED | RUNS)) | st.text(max_size=12),
    actors,
    st.text(max_size=5),
    st.dictionaries(st.sampled_from(["signature", "other"]), st.none() | st.text() | st.integers()),
)
policies = st.builds(
    lambda asks, signed: HardPolicy(asks_for=asks, require_signature=signed),
    st.frozensets(st.sampled_from(["model_load", "model_pull"])),
    st.booleans(),
)
QUESTION = Question("anything", Actor("key:1", "x", frozenset({Role.OPERATOR})), "a/b")


@given(rule_lists(), st.randoms(use_true_random=False))
def test_the_order_of_rules_decides_nothing(rules: list[HardRule], chance: random.Random) -> None:
    shuffled = rules[:]
    chance.shuffle(shuffled)
    assert decided(rules, QUESTION, policy_hash="") == decided(shuffled, QUESTION, policy_hash="")


@given(rule_lists(), st.sampled_from(["yes", "no", "error"]), st.sampled_from(OPENNESS[:2]))
def test_a_stricter_rule_never_opens_anything_that_was_decided(
    rules: list[HardRule], says: str, of: Outcome
) -> None:
    before = decided(rules, QUESTION, policy_hash="").outcome
    after = decided([*rules, rule(of, says)], QUESTION, policy_hash="").outcome
    if of is Outcome.DENY:
        assert OPENNESS.index(after) <= OPENNESS.index(before)
    assert after is not Outcome.ALLOW or before is Outcome.ALLOW


@given(rule_lists(), st.sampled_from(["yes", "no", "error"]))
def test_an_allowing_rule_never_overrides_a_stricter_one(rules: list[HardRule], says: str) -> None:
    before = decided(rules, QUESTION, policy_hash="")
    after = decided([*rules, rule(Outcome.ALLOW, says)], QUESTION, policy_hash="")
    stricter = [f for f in before.fired if f.outcome is not Outcome.ALLOW]
    if stricter and stricter[0].rule != "default-deny":
        assert after.outcome in (before.outcome, Outcome.DENY)
    if before.errors:
        assert after.outcome is Outcome.DENY


@given(rule_lists())
def test_an_error_denies_and_so_does_silence(rules: list[HardRule]) -> None:
    decision = decided(rules, QUESTION, policy_hash="")
    if decision.errors or not rules:
        assert decision.outcome is Outcome.DENY
    assert decision.fired or decision.errors


@given(policies, questions)
def test_every_question_gets_one_answer_and_the_same_again(
    policy: HardPolicy, question: Question
) -> None:
    decision = policy.decide(question)
    assert decision == policy.decide(question)
    assert decision.policy_hash == policy.policy_hash


@given(policies, questions)
def test_configuration_only_tightens(policy: HardPolicy, question: Question) -> None:
    plain = HardPolicy().decide(question).outcome
    assert OPENNESS.index(policy.decide(question).outcome) <= OPENNESS.index(plain)


@given(policies, questions)
def test_no_advisor_is_ever_let_through_and_nothing_governed_is_allowed_at_once(
    policy: HardPolicy, question: Question
) -> None:
    outcome = policy.decide(question).outcome
    if Role.ADVISOR in question.actor.roles:
        assert outcome is Outcome.DENY
    if question.act in GOVERNED:
        assert outcome is not Outcome.ALLOW
