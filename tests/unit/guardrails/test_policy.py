"""Hard rules first, then what is bound; the strictest wins, and what cannot be said is a denial."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from app.authority.guardrails.policy import POINTS, together
from app.authority.guardrails.values import Action, Point
from app.authority.guardrails.verdicts import Asked, Evaluation, Failure, Verdict
from app.authority.policy.admitting import NeedsApproval, admit, recorded
from app.authority.policy.decisions import Decision, Fired, Outcome, Question
from app.authority.policy.hard import HardPolicy
from app.domain.actors import ANONYMOUS
from app.domain.refusals import AuditUnavailable, PolicyDenied
from tests.fakes.at_work import BLOCK_ALL, CLIENT, AtWork, at_work

TASKS = {
    "no-tests": BLOCK_ALL,
    "ask-large": "Ask for approval before loading a model whose share of memory is above 50 %",
}


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[AtWork]:
    """Nothing is bound."""
    with at_work(tmp_path / "w") as work:
        yield work


@pytest.fixture
def blocking(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w", {"no-tests": BLOCK_ALL}) as work:
        yield work


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w", {"ask-large": TASKS["ask-large"]}) as work:
        work.memory.total_bytes = 2 << 20
        yield work


def test_an_allowed_load_leaves_one_record_that_the_decision_names(plain: AtWork) -> None:
    decision = plain.policy.decide(plain.load())
    assert decision.outcome is Outcome.ALLOW
    (row,) = plain.rows
    assert decision.guardrails == {
        "version": 1,
        "rules": plain.house.now.rules.hash,
        "decision": row.digest,
    }
    assert (row.point, row.subject, row.actor) == ("load", "test/tiny", plain.office.owner.id)
    assert recorded(plain.load(), decision)["guardrails"]["decision"] == row.digest


def test_what_is_blocked_is_denied_with_the_sentence_and_where_to_read_why(
    blocking: AtWork,
) -> None:
    with pytest.raises(PolicyDenied) as denied:
        admit(blocking.policy, blocking.load())
    (row,) = blocking.rows
    assert row.outcome == "block"
    assert f"lmx guardrails explain {row.digest[:16]}" in denied.value.message
    assert "publisher is test" in denied.value.message
    assert "cannot be changed" not in denied.value.message
    rules = denied.value.details["policy"]["rules"]
    assert ("guardrail:no-tests", "deny") in {(rule["id"], rule["outcome"]) for rule in rules}


def test_what_needs_an_approval_becomes_an_ask_of_whoever_may_load(asking: AtWork) -> None:
    with pytest.raises(NeedsApproval) as needs:
        admit(asking.policy, asking.load())
    assert [f.rule for f in needs.value.decision.fired] == [
        "guardrail:ask-large",
        "operators-run-the-server",
    ]


def test_looking_says_the_same_and_records_nothing(blocking: AtWork) -> None:
    looked = blocking.policy.look(blocking.load())
    assert blocking.rows == []
    decided = blocking.policy.decide(blocking.load())
    assert (looked.outcome, looked.fired) == (decided.outcome, decided.fired)
    assert looked.guardrails == {"version": 1, "rules": blocking.house.now.rules.hash}


def test_at_the_outset_only_hard_rules_are_asked(blocking: AtWork) -> None:
    outset = blocking.policy.outset(blocking.load())
    assert (outset.outcome, outset.guardrails) == (Outcome.ALLOW, None)
    assert blocking.policy.outset(blocking.load(ANONYMOUS)).outcome is Outcome.DENY
    assert blocking.rows == []


def test_what_hard_rules_deny_is_asked_of_no_guardrail(plain: AtWork) -> None:
    decision = plain.policy.decide(plain.load(ANONYMOUS))
    assert decision.outcome is Outcome.DENY
    assert "cannot be changed from here" in decision.why_not()
    assert plain.rows == []


@pytest.mark.parametrize("act", ["model_unload", "model_verify", "key_create", "guardrails_add"])
def test_other_acts_are_hard_rules_alone(plain: AtWork, act: str) -> None:
    question = Question(act, plain.office.owner, "x", {"irreversible": True, "params": {}})
    decision = plain.policy.decide(question)
    assert decision.outcome is HardPolicy().decide(question).outcome
    assert plain.rows == []


def test_every_point_but_the_tick_has_acts() -> None:
    assert set(POINTS.values()) == set(Point) - {Point.TICK}


def test_a_reading_that_fails_denies(asking: AtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError("no such file")

    monkeypatch.setattr(asking.memory, "read", fails)
    decision = asking.policy.decide(asking.load())
    assert decision.outcome is Outcome.DENY
    assert decision.errors[0].startswith("guardrail:ask-large")
    assert asking.rows[0].outcome == "block"


def test_guardrails_that_cannot_be_read_deny_what_they_decide_and_nothing_else(
    blocking: AtWork,
) -> None:
    blocking.house.sql("UPDATE guardrails_binding SET bound_by = 'somebody', definition = NULL")
    blocking.house.standing._kept = None
    decision = blocking.policy.decide(blocking.load())
    assert decision.outcome is Outcome.DENY
    assert "cannot be read" in decision.why_not()
    unload = Question("model_unload", blocking.office.owner, "test/tiny")
    assert blocking.policy.decide(unload).outcome is Outcome.ALLOW
    assert blocking.policy.decide(unload).policy_hash == blocking.policy.policy_hash


def test_a_decision_that_cannot_be_recorded_is_a_denial(
    plain: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> int:
        raise AuditUnavailable("The disk is full.")

    monkeypatch.setattr(plain.decisions, "add", full)
    decision = plain.policy.decide(plain.load())
    assert decision.outcome is Outcome.DENY
    assert "The disk is full." in decision.why_not()
    assert "decision" not in (decision.guardrails or {})


async def test_the_policy_hash_says_what_is_bound(blocking: AtWork) -> None:
    before = blocking.policy.policy_hash
    assert before == blocking.policy.decide(blocking.load()).policy_hash
    await blocking.house.does("retire", task="no-tests")
    assert blocking.policy.policy_hash != before
    assert blocking.policy.decide(blocking.load()).outcome is Outcome.ALLOW


def test_a_client_that_repeats_what_is_blocked_fills_no_disk(blocking: AtWork) -> None:
    first = blocking.policy.decide(blocking.on_demand())
    assert blocking.policy.decide(blocking.on_demand()) == first
    assert len(blocking.rows) == 1
    other = replace(CLIENT, id="key:1badcafe")
    blocking.policy.decide(blocking.on_demand(other))
    blocking.office.clock.advance(2)
    assert blocking.policy.decide(blocking.on_demand()) != first
    assert len(blocking.rows) == 3


def test_each_allowed_load_on_demand_is_recorded(plain: AtWork) -> None:
    for _ in range(2):
        assert plain.policy.decide(plain.on_demand()).outcome is Outcome.ALLOW
    assert len(plain.rows) == 2


def test_an_alert_at_an_act_is_told_and_lets_it_be(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"tell": BLOCK_ALL.replace("Block", "Alert when")}) as w:
        assert w.policy.look(w.load()).outcome is Outcome.ALLOW
        assert w.events("guardrails_alert") == []
        assert w.policy.decide(w.load()).outcome is Outcome.ALLOW
        (event,) = w.events("guardrails_alert")
        assert (event.subject, event.outcome, event.data["about"]) == ("tell", "met", "test/tiny")
        assert event.data["decision"] == w.rows[0].digest


@pytest.mark.parametrize("hard", list(Outcome))
@pytest.mark.parametrize("action", list(Action))
def test_a_guardrail_adds_and_takes_nothing_away(hard: Outcome, action: Action) -> None:
    strictness = [Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.DENY]
    said = Decision(hard, (Fired("h", hard, "H."),), "0" * 64)
    asked = Asked(at_us=1, point=Point.LOAD)
    verdict = Verdict("t", 1, "b" * 64, "", action, True, None, (None,), "T.")
    evaluation = Evaluation(
        asked=asked,
        verdicts=(verdict,),
        met=(verdict,),
        failures=(),
        outcome=str(action),
        record=b"",
        digest="d",
    )
    met = together(said, evaluation, {})
    assert strictness.index(met.outcome) >= strictness.index(hard)
    assert met.fired[0].outcome is met.outcome
    if action is Action.BLOCK:
        assert met.outcome is Outcome.DENY


@pytest.mark.parametrize("action", [Action.BLOCK, Action.REQUIRE_APPROVAL])
def test_of_many_guardrails_an_event_names_some_and_the_strictest_first(action: Action) -> None:
    asked = Asked(at_us=1, point=Point.LOAD)
    verdicts = tuple(
        Verdict(
            f"t{n:03}", 1, "b" * 64, "", action if n else Action.BLOCK, True, None, (), "x" * 900
        )
        for n in reversed(range(300))
    )
    failures = tuple(Failure(f"f{n}", 1, "b" * 64, "", Action.BLOCK, "w" * 300) for n in range(300))
    evaluation = Evaluation(
        asked=asked,
        verdicts=verdicts,
        met=verdicts,
        failures=failures,
        outcome="block",
        record=b"",
        digest="d",
    )
    said = Decision(Outcome.ALLOW, (Fired("h", Outcome.ALLOW, "H."),), "0" * 64)
    decision = together(said, evaluation, {})
    assert decision.fired[0].rule == "guardrail:t000"
    assert decision.errors[-1] == "guardrail: and 280 more"
    assert len(orjson.dumps(decision.as_dict())) < 24 * 1024
