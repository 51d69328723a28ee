"""The registry of hard rules is complete, honest and stable."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.authority import rules
from app.authority.rules import RULES, Rule, State, rules_digest
from app.engines.advisor_run import ADVISE, REPLAY

ROOT = Path(__file__).resolve().parents[3]

PROMISED = (
    "C01 C02 C03 C04 C05 C06 C08 S02 S04 G-LMX-01 G-LMX-02 G-LMX-03 G-LMX-04 G-LMX-05 G-LMX-06 "
    "G-DEPLOY-01 G-DEPLOY-02 G-DEPLOY-03 RMOS-1 RMOS-2 POLICY RMOS-3 GUARDRAILS ADVICE "
    "ADVISORS-KEY WALLED-IN VERIFIABLE AUDITED-READS ERASABLE-NAMES FAIL-CLOSED HONEST"
).split()


def test_every_promise_is_registered_once() -> None:
    assert [rule.id for rule in RULES] == PROMISED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_that_is_kept_names_its_code_and_a_test(rule: Rule) -> None:
    if rule.state is not State.NOT_YET:
        assert rule.enforced_in
        assert rule.tests


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_that_is_not_fully_kept_says_what_is_missing(rule: Rule) -> None:
    assert bool(rule.note) == (rule.state is not State.KEPT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_tests_of_a_rule_exist(rule: Rule) -> None:
    for test in rule.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        if name:
            assert re.search(rf"def {name}\(", (ROOT / path).read_text()), test


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_code_that_keeps_a_rule_exists(rule: Rule) -> None:
    for place in rule.enforced_in:
        if place.startswith("app."):
            assert find_spec(place) is not None, place
        else:
            assert (ROOT / place).is_file(), place


def test_the_digest_is_stable_and_moves_with_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rules_digest()
    assert before == rules_digest()
    assert re.fullmatch("[0-9a-f]{64}", before)
    monkeypatch.setattr(rules, "RULES", RULES[1:])
    assert rules_digest() != before


def test_what_an_advisor_may_still_take_is_what_its_host_lets_it() -> None:
    page = " ".join((ROOT / "SECURITY.md").read_text("utf-8").split())
    mib = 2**20
    most = (ADVISE.memory_bytes + ADVISE.mapped_bytes) // mib
    assert f"{ADVISE.cpu_s} s of a core and {ADVISE.memory_bytes // mib} MiB in a run" in page
    assert f"({REPLAY.cpu_s} s in a replay)" in page
    assert f"the kernel's limit of {most} MiB" in page
    assert (REPLAY.memory_bytes, REPLAY.mapped_bytes) == (ADVISE.memory_bytes, ADVISE.mapped_bytes)
