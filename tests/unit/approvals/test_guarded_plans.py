"""What a person sees of a plan about guardrails: what changes, before and after, all of it."""

from typing import Any

import pytest

from app.authority.approvals.plans import Asked, Drawn, plan
from app.authority.approvals.rendering import render
from tests.unit.approvals.made_plans import ASKER, NOON_US

INTENT = "Alert when blocked attempts rise sharply and are above 10"
HASH = "3f9c" * 16


def leaf(value: str) -> dict[str, Any]:
    params = {"direction": "increase", "value": value, "window": 3600}
    return {"primitive": "blocked_attempts", "strategy": "change", "params": params}


def definition(version: int, value: str, **changed: Any) -> dict[str, Any]:
    return {
        "version": version,
        "guardrails": version,
        "sentence": f"Alert when blocked attempts rose by more than {value} within 1 h.",
        "condition": leaf(value),
        "ir_hash": "ab" * 32,
        "binding_hash": "cd" * 32,
        **changed,
    }


def whole(version: int, **changed: Any) -> dict[str, Any]:
    known = {
        "intent": INTENT,
        "action": "alert",
        "points": ["tick"],
        "why": ["when.value: primitive_hint, primitives/blocked_attempts/priors/change/high"],
    }
    return definition(version, "100 %", **known | changed)


def rebound(task: str = "blocked-attempts", **changed: Any) -> dict[str, Any]:
    known = {
        "task": task,
        "result": "changed",
        "delta": [{"what": "when.0.value", "before": "1", "after": "0.5"}],
        "before": definition(1, "100 %"),
        "after": definition(2, "50 %"),
    }
    return known | changed


EFFECTS: dict[str, dict[str, Any]] = {
    "guardrails_rebind": {
        "guardrails": {"version": 2, "hash": HASH},
        "tasks": [rebound(), rebound("known-sources", delta=[], result="same")],
        "stay": {"count": 1, "names": ["large-models"]},
    },
    "guardrails_activate": {
        "from": {"version": 1, "hash": "00" * 32},
        "to": {"version": 2, "hash": HASH},
        "changed": {"count": 300, "names": ["domain/sets/known_sources"]},
        "affected": {"count": 1, "names": ["known-sources"]},
    },
    "guardrails_add": {
        "binds": whole(2),
        "replaces": whole(1),
        "guardrails": {"version": 1, "hash": HASH},
        "asked": '{"id":"blocked-attempts","intent":"..."}',
    },
    "guardrails_retire": {"retires": whole(1)},
}


ESTIMATE = "WHAT IT WOULD HAVE DECIDED"


def shown(act: str, *, width: int = 60, all_of_it: bool = False, **changed: Any) -> list[str]:
    asked = Asked(
        act=act,
        actor=ASKER,
        reason="Tighter.",
        policy_hash="cd" * 32,
        nonce="n0",
        created_us=NOON_US,
        approve_by_us=NOON_US + 86_400_000_000,
        execute_by_us=NOON_US + 2 * 86_400_000_000,
    )
    drawn = Drawn(
        subject="guardrails",
        verb="rebind",
        phrase="yes, rebind guardrails",
        irreversible=False,
        targets=({"kind": "task", "id": "blocked-attempts", "digest": "cd" * 32},),
        effects=EFFECTS[act] | changed,
    )
    return list(render(plan(asked, drawn).bytes, width=width, whole=all_of_it))


def headings(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines if not line.startswith(" ")]


def flowing(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize(
    ("act", "first"),
    [
        ("guardrails_rebind", ["CHANGES", ESTIMATE]),
        ("guardrails_activate", ["CHANGES", "WHAT IT CONCERNS", ESTIMATE]),
        ("guardrails_add", ["WHAT IT MEANS", "IN PLACE OF"]),
        ("guardrails_retire", ["WHAT DECIDES NO LONGER"]),
    ],
)
def test_what_changes_stands_right_below_what_is_asked(act: str, first: list[str]) -> None:
    assert headings(shown(act))[: len(first) + 2] == ["WHAT", *first, "TARGETS"]


def test_rebinding_says_every_number_before_and_after() -> None:
    page = flowing(shown("guardrails_rebind"))
    for part in (
        "CHANGES: 2, all of them",
        "bound as under: guardrails version 2",
        "blocked-attempts when.0.value: 1 -> 0.5 before: Alert when blocked attempts rose",
        "by more than 100 % within 1 h. after: Alert when blocked attempts rose by more than 50 %",
        "version 1 -> 2 guardrails version 1 -> 2",
        "known-sources decides as before; only the document is another",
        "stay as they are: 1 large-models",
    ):
        assert part in page


@pytest.mark.parametrize("act", ["guardrails_rebind", "guardrails_activate"])
def test_whoever_decides_is_told_where_the_impact_is_which_no_plan_holds(act: str) -> None:
    lines = shown(act)
    assert "No part of this plan" in flowing(lines)
    assert "    lmx guardrails recompile --version 2" in lines


def test_of_rules_that_decide_as_before_there_is_no_impact() -> None:
    page = shown("guardrails_rebind", tasks=[rebound(delta=[])])
    assert "CHANGES" in headings(page)
    assert ESTIMATE not in headings(page)


def test_of_a_document_that_concerns_nothing_there_is_no_impact() -> None:
    page = shown("guardrails_activate", affected={"count": 0, "names": []})
    assert ESTIMATE not in headings(page)


def test_sets_are_told_as_lists_and_windows_as_times() -> None:
    values = {"what": "when.values", "before": ["gguf", "safetensors"], "after": ["safetensors"]}
    gone = {"what": "when.1.value", "before": "10", "after": None}
    window = {"what": "when.0.window", "before": 3600, "after": 86_400}
    page = flowing(shown("guardrails_rebind", tasks=[rebound(delta=[values, gone, window])]))
    assert "when.values: [gguf, safetensors] -> [safetensors]" in page
    assert "when.1.value: 10 -> nothing" in page
    assert "when.0.window: 1 h -> 24 h" in page


def test_activating_says_that_what_is_bound_stays() -> None:
    page = flowing(shown("guardrails_activate"))
    for part in (
        "active document: version 1 -> 2",
        "keys that differ: 300 domain/sets/known_sources and 299 more, not in this plan",
        "What is bound stays bound.",
        "tasks: 1 known-sources",
        "3f9c 3f9c 3f9c 3f9c ...",
    ):
        assert part in page


def test_adding_says_what_the_words_mean_before_the_words() -> None:
    lines = shown("guardrails_add", replaces=None)
    page = flowing(lines)
    for part in (
        "Alert when blocked attempts rose by more than 100 % within 1 h. action: alert",
        "asked at: tick",
        "why: when.value: primitive_hint, primitives/blocked_attempts/priors/change/high",
        "version 2, under guardrails version 2",
    ):
        assert part in page
    assert page.index("rose by more than") < page.index("UNTRUSTED") < page.index("rise sharply")
    assert "IN PLACE OF" not in headings(lines)


@pytest.mark.parametrize("intent", ["Alert\u202e\x1b[2J\nWHAT", {"when": {"term": "\x1b[2J"}}])
def test_words_of_others_begin_no_line_and_hide_nothing(intent: object) -> None:
    lines = shown("guardrails_add", binds=whole(2, intent=intent), replaces=None)
    assert all("\x1b" not in line and "\u202e" not in line for line in lines)
    assert headings(lines).count("WHAT") == 1
    assert any(line.startswith("  | ") for line in lines)


def test_a_structure_is_shown_as_it_was_given() -> None:
    intent = {"when": {"primitive": "model_size"}, "action": "block"}
    page = flowing(shown("guardrails_add", binds=whole(2, intent=intent)))
    assert '| {"action":"block","when":{"primitive":"model_size"}}' in page


@pytest.mark.parametrize("act", EFFECTS)
def test_what_nobody_knows_how_to_show_is_shown_by_its_name(act: str) -> None:
    page = flowing(shown(act, surprise={"hidden": "value"}))
    assert "surprise.hidden: value" in page


@pytest.mark.parametrize("act", EFFECTS)
def test_it_fits_a_phone(act: str) -> None:
    for width in (30, 40, 60):
        assert max(map(len, shown(act, width=width))) <= width


@pytest.mark.parametrize("act", ["guardrails_add", "guardrails_rebind", "guardrails_retire"])
def test_on_demand_the_condition_itself_is_shown(act: str) -> None:
    page = flowing(shown(act, all_of_it=True))
    assert "condition.params.window: 3,600" in page
    assert "condition.params.window" not in flowing(shown(act))
    assert "abab abab" in page
