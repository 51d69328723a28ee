"""What an advisor wrote is taken exactly as it may be written, or refused by name."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.authority.advice.untrusted import (
    MAX_BYTES,
    canonical,
    digest_of,
    models_of,
    of_bytes,
    read,
    same_of,
)
from app.domain.advice.proposals import Evidence, Kind, Proposal
from app.domain.refusals import ProposalInvalid
from tests.fakes.advice import raw

CHANGES: dict[Kind, tuple[str, dict[str, Any]]] = {
    Kind.ROUTE: ("default", {"models": ["lab/one", "lab/two"]}),
    Kind.LOAD: ("lab/one", {"context": 2_048}),
    Kind.UNLOAD: ("lab/one", {}),
    Kind.PIN: ("lab/one", {}),
    Kind.UNPIN: ("lab/one", {}),
    Kind.DELETE: ("lab/one", {}),
    Kind.PULL: ("org/name", {"revision": "main"}),
    Kind.TERMS: ("lab/one", {"idle_s": 0}),
    Kind.PURGE: ("trash", {}),
    Kind.GUARDRAIL: ("slow-first-token", {"intent": "Alert when latency is above 3 s"}),
}
TRICKS = "\x1b[2J\x07\x9b\u202e\u2066\u200b\ufeff\u2028\u3164\x7f\n\r\t\u00a0\U000e0041\ud800"
texts = st.text(st.one_of(st.sampled_from(TRICKS + "ab/. "), st.characters()), max_size=12)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)


def refusal_of(given_: object) -> ProposalInvalid:
    with pytest.raises(ProposalInvalid) as caught:
        read(given_)
    assert caught.value.message.isprintable(), "a terminal could be steered by it"
    caught.value.message.encode("utf-8")
    return caught.value


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_read_as_it_is_written_and_comes_back_from_its_bytes(kind: Kind) -> None:
    target, change = CHANGES[kind]
    written = raw(
        kind=str(kind),
        target=target,
        change=change,
        predicts={"memory_freed_bytes": 1},
        expires_in_s=3_600,
    )
    proposal = read(written)
    assert proposal.as_plain() == written
    assert of_bytes(canonical(proposal)) == proposal


def test_what_may_be_left_out_is_as_a_proposal_has_it_by_itself() -> None:
    assert read(raw()) == Proposal(
        kind=Kind.UNLOAD,
        target="lab/one",
        reason="Nobody asked it anything for 30 days.",
        assumes="that it stays so",
        confidence=80,
        evidence=(Evidence(("models", "lab/one", "requests"), 0),),
    )


@given(anything)
@example(float("nan"))
@example({"kind": float("inf")})
@example([[]] * 3)
def test_any_json_at_all_is_refused_or_read_and_nothing_else(given_: object) -> None:
    try:
        read(given_)
    except ProposalInvalid:
        return
    raise AssertionError("nothing of this could be a proposal")


@given(
    st.sampled_from([*raw(change={}, predicts={}, expires_in_s=3_600)]),
    st.sampled_from(list(Kind)),
    anything,
)
def test_any_json_in_the_place_of_any_part_is_refused_or_kept_as_it_is(
    part: str, kind: Kind, given_: object
) -> None:
    target, change = CHANGES[kind]
    written = raw(kind=str(kind), target=target, change=change) | {part: given_}
    try:
        proposal = read(written)
    except ProposalInvalid:
        refusal_of(written)
        return
    assert {name: proposal.as_plain()[name] for name in written} == written
    assert of_bytes(canonical(proposal)) == proposal


@given(anything)
def test_any_intent_is_refused_or_kept_as_it_is(intent: object) -> None:
    target, _ = CHANGES[Kind.GUARDRAIL]
    try:
        proposal = read(raw(kind="guardrail", target=target, change={"intent": intent}))
    except ProposalInvalid:
        return
    assert proposal.change == {"intent": intent}
    assert of_bytes(canonical(proposal)) == proposal


@pytest.mark.parametrize(
    ("param", "changed"),
    [
        ("proposal", {"author": "key:0badcafe"}),
        ("proposal", {"id": "0badcafe"}),
        ("proposal", {"state": "accepted"}),
        ("proposal", {"digest": "ab" * 32}),
        ("proposal", {"decided": {"by": "key:0badcafe"}}),
        ("proposal", {"\x1b[2Jkind": "load"}),
        ("proposal", {"reason": ...}),
        ("proposal", {"evidence": ...}),
        ("kind", {"kind": "reboot"}),
        ("kind", {"kind": ["load"]}),
        ("target", {"target": "../../etc"}),
        ("target", {"target": "lab/one\n"}),
        ("target", {"target": "lab/\u043ene"}),
        ("target", {"target": "a/" + "b" * 97}),
        ("change", {"change": {"context": 1}}),
        ("change", {"change": []}),
        ("reason", {"reason": ""}),
        ("reason", {"reason": "   "}),
        ("reason", {"reason": "a" * 501}),
        ("reason", {"reason": "fine\x1b[1A\x1b[2K"}),
        ("reason", {"reason": "fine\u202eenif"}),
        ("reason", {"reason": "fine\u200b"}),
        ("reason", {"reason": "two\nlines"}),
        ("reason", {"reason": "half a character \ud800"}),
        ("reason", {"reason": "a" + "\u0301" * 40}),
        ("assumes", {"assumes": None}),
        ("confidence", {"confidence": 101}),
        ("confidence", {"confidence": -1}),
        ("confidence", {"confidence": True}),
        ("confidence", {"confidence": 80.0}),
        ("confidence", {"confidence": float("nan")}),
        ("confidence", {"confidence": 10**400}),
        ("expires_in_s", {"expires_in_s": 3_599}),
        ("expires_in_s", {"expires_in_s": 30 * 86_400 + 1}),
        ("predicts", {"predicts": {"happiness": 1}}),
        ("predicts.ttft_p95_ms", {"predicts": {"ttft_p95_ms": -1}}),
        ("predicts.ttft_p95_ms", {"predicts": {"ttft_p95_ms": 2**53}}),
        ("evidence", {"evidence": []}),
        ("evidence", {"evidence": [{"field": ["days"], "value": 1}] * 17}),
        ("evidence[0]", {"evidence": [{"field": ["days"]}]}),
        ("evidence[0]", {"evidence": [{"field": ["days"], "value": 1, "author": "x"}]}),
        ("evidence[0].field", {"evidence": [{"field": ["use", "columns"], "value": 1}]}),
        ("evidence[0].field", {"evidence": [{"field": "days", "value": 1}]}),
        ("evidence[0].field[1]", {"evidence": [{"field": ["days", "\x07"], "value": 1}]}),
        ("evidence[0].value", {"evidence": [{"field": ["days"], "value": 1.5}]}),
        ("evidence[0].value", {"evidence": [{"field": ["days"], "value": {"a": 1}}]}),
        ("evidence[0].value", {"evidence": [{"field": ["days"], "value": 2**53}]}),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(param: str, changed: dict[str, Any]) -> None:
    assert refusal_of(raw(**changed)).param == param


@pytest.mark.parametrize(
    ("param", "kind", "target", "change"),
    [
        ("change", "route", "default", {}),
        ("change.models", "route", "default", {"models": []}),
        ("change.models", "route", "default", {"models": ["lab/one", "lab/one"]}),
        ("change.models[0]", "route", "default", {"models": ["default"]}),
        ("change.models", "route", "default", {"models": [f"a/{n}" for n in range(17)]}),
        ("target", "route", "lab/one", {"models": ["lab/one"]}),
        ("change.slots", "load", "lab/one", {"slots": 65}),
        ("change.context", "load", "lab/one", {"context": 0}),
        ("change", "load", "lab/one", {"idle_s": 1}),
        ("change", "terms", "lab/one", {}),
        ("change.idle_s", "terms", "lab/one", {"idle_s": None}),
        ("change.revision", "pull", "org/name", {"revision": "--upload"}),
        ("target", "pull", "https://elsewhere/org/name", {}),
        ("target", "purge", "everything", {}),
        ("target", "guardrail", "Upper", {"intent": "Alert"}),
        ("change", "guardrail", "task", {}),
        ("change.intent", "guardrail", "task", {"intent": "a" * 2_001}),
        ("change.intent", "guardrail", "task", {"intent": 3}),
        ("change.intent", "guardrail", "task", {"intent": {"when": float("nan")}}),
        ("change.intent", "guardrail", "task", {"intent": {"when": 10**400}}),
        ("change.intent", "guardrail", "task", {"intent": {"when": "\x1b[2J"}}),
        ("change.intent", "guardrail", "task", {"intent": {"when": [0] * 257}}),
    ],
)
def test_a_change_that_its_kind_has_not_is_refused(
    param: str, kind: str, target: str, change: dict[str, Any]
) -> None:
    assert refusal_of(raw(kind=kind, target=target, change=change)).param == param


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [13, 900])
def test_an_intent_that_is_nested_deeply_is_refused_before_anything_is_copied(depth: int) -> None:
    change = {"intent": {"when": nested(depth)}}
    assert "levels" in refusal_of(raw(kind="guardrail", target="task", change=change)).message


def test_depth_anywhere_else_is_never_walked() -> None:
    deep = json.loads("[" * 900 + "]" * 900)
    for name in raw(change={}, predicts={}, expires_in_s=1):
        refusal_of(raw(**{name: deep}))


def test_what_is_large_in_bytes_though_short_in_characters_is_refused() -> None:
    facts = [{"field": ["host", *["\U00010348" * 200] * 7], "value": "\U00010348" * 200}] * 16
    assert str(MAX_BYTES) in refusal_of(raw(evidence=facts)).message


def test_a_message_shows_what_was_written_as_escapes_and_cut_short() -> None:
    message = refusal_of(raw(target="\x1b]0;owned\x07" + "a" * 500)).message
    assert "\\x1b" in message
    assert len(message) < 300


def test_text_in_any_script_is_kept_as_it_was_written() -> None:
    for reason in (
        "r\u00e9sum\u00e9 \u2014 na\u00efve",
        "\u6a21\u578b",
        "a \\ backslash",
        "\u0645\u0631\u062d\u0628\u0627",
    ):
        assert read(raw(reason=reason)).reason == reason


def test_the_same_thing_said_otherwise_is_the_same_and_another_change_is_not() -> None:
    first = read(raw(kind="terms", change={"context": 1, "slots": 2}))
    again = read(
        raw(kind="terms", change={"slots": 2, "context": 1}, reason="Otherwise.", confidence=1)
    )
    other = read(raw(kind="terms", change={"slots": 3, "context": 1}))
    assert same_of(first) == same_of(again) != same_of(other)
    assert digest_of(first) != digest_of(again)
    order = [
        read(raw(kind="route", target="a", change={"models": m}))
        for m in (["a/b", "c/d"], ["c/d", "a/b"])
    ]
    assert same_of(order[0]) != same_of(order[1]), "the order is what is proposed"


@pytest.mark.parametrize("kind", Kind)
def test_the_models_that_have_to_be_there_are_those_of_this_machine(kind: Kind) -> None:
    target, change = CHANGES[kind]
    elsewhere = {Kind.PULL, Kind.PURGE, Kind.GUARDRAIL}
    expected = ("lab/one", "lab/two") if kind is Kind.ROUTE else ("lab/one",)
    proposal = read(raw(kind=str(kind), target=target, change=change))
    assert models_of(proposal) == (() if kind in elsewhere else expected)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"kind":"unload"}', b"\xff", b"nul"])
def test_bytes_that_are_no_proposal_are_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever reader found it
        of_bytes(body)
