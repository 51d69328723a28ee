"""What the advisor `routing` proposes, and each thing that keeps it from proposing it."""

from typing import Any

import pytest

from app._experimental.routing import ROUTING
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot, UseRow
from tests.fakes.advisors import advised as run
from tests.fakes.snapshots import GIB, alias, model, row, snapshot

SLOW = {"parameters": 30_000_000_000, "requests": 200, "ttft_p95_ms": 900, "last_used_us": 1}
FAST = {"parameters": 7_000_000_000, "requests": 100, "ttft_p95_ms": 200, "last_used_us": 1}


def rows(**changes: Any) -> list[UseRow]:
    """Twenty hours of the alias at its slow model, ten of the fast one under its own name."""
    slow = [row(-hour, "a/slow", "chat", requests=10, ttft_p95_ms=900) for hour in range(20)]
    fast = [row(-hour, "a/fast", requests=10, ttft_p95_ms=200) for hour in range(10)]
    return [one._replace(**changes) if one.name == "chat" else one for one in slow] + fast


def late(**changes: Any) -> Snapshot:
    """An alias that misses its goal, and a model that would meet it, but for the changes."""
    asked = {"goal_ms": 300, "requests": 200, "ttft_p95_ms": 900, **changes.pop("alias", {})}
    return snapshot(
        models={
            "a/slow": model(**{**SLOW, **changes.pop("slow", {})}),
            "a/fast": model(**{**FAST, **changes.pop("fast", {})}),
            **changes.pop("others", {}),
        },
        aliases={"chat": alias(*changes.pop("chain", ("a/slow",)), **asked)},
        rows=changes.pop("rows", rows()),
        **changes,
    )


def advised(facts: Snapshot) -> list[Proposal]:
    return run(ROUTING, facts)


def test_an_alias_that_misses_its_goal_is_moved_to_the_model_that_meets_it() -> None:
    (proposal,) = advised(late())
    assert (proposal.kind, proposal.target) == (Kind.ROUTE, "chat")
    assert proposal.change == {"models": ["a/fast", "a/slow"]}
    assert proposal.predicts == {"ttft_p95_ms": 200}
    assert "900 ms" in proposal.reason
    assert "300 ms" in proposal.reason
    assert ("aliases", "chat", "goal_ms") in {one.field for one in proposal.evidence}


def test_what_the_alias_led_to_follows_in_its_order_without_what_is_gone() -> None:
    chain = ("a/slow", "a/gone", "a/third", "a/fast")
    (proposal,) = advised(late(chain=chain, others={"a/third": model()}))
    assert proposal.change == {"models": ["a/fast", "a/slow", "a/third"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"alias": {"goal_ms": None}},
        {"alias": {"ttft_p95_ms": 300}},
        {"alias": {"ttft_p95_ms": None}},
        {"alias": {"requests": 49}},
        {"alias": {"source": "file"}},
        {"chain": ("a/gone", "a/slow")},
        {"fast": {"ttft_p95_ms": 301}},
        {"fast": {"ttft_p95_ms": None}},
        {"fast": {"ttft_p95_ms": 900}, "slow": {"ttft_p95_ms": 200}},
        {"fast": {"requests": 49}},
        {"fast": {"task": "embed"}},
        {"fast": {"task": "embed"}, "slow": {"task": "embed"}},
        {"fast": {"trust": "quarantined"}},
        {"fast": {"state": "failed"}},
        {"fast": {"need_bytes": 49 * GIB}},
        {"fast": {"terms_context": 299}},
        {"rows": rows(prompt_tokens=5_000)},
        {"rows": rows(ttft_p95_ms=300)},
        {"rows": rows(cold=1)},
        {"rows": rows()[:4] + rows()[20:]},
        {"rows": []},
    ],
    ids=str,
)
def test_nothing_is_moved(changes: dict[str, Any]) -> None:
    """No goal or a goal that is met, too few requests to tell, a file's alias, a model that cannot
    take over, prompts that say nothing of each other, or loads alone that make it late."""
    assert advised(late(**changes)) == []


def test_hours_in_which_something_was_loaded_say_nothing_of_a_model() -> None:
    """Late in three hours with loads, in time in the twenty without: the model is fast enough."""
    warm = rows(ttft_p95_ms=250)
    cold = [row(-hour, "a/slow", "chat", requests=5, cold=1) for hour in range(30, 33)]
    assert advised(late(rows=[*warm, *cold])) == []


def test_an_alias_that_was_moved_lately_is_left_alone_until_its_new_model_is_known() -> None:
    """Its figures are still those of the model before."""
    third = {"a/third": model(**FAST)}
    moved = late(chain=("a/fast", "a/slow"), others=third)
    assert advised(moved) == []


def test_of_models_that_meet_the_goal_the_one_with_the_most_parameters_is_taken() -> None:
    bigger = model(**{**FAST, "parameters": 14_000_000_000, "ttft_p95_ms": 290})
    (proposal,) = advised(late(others={"a/bigger": bigger}))
    assert proposal.change["models"][0] == "a/bigger"


def test_of_equals_the_faster_one_is_taken() -> None:
    (proposal,) = advised(late(others={"a/faster": model(**{**FAST, "ttft_p95_ms": 150})}))
    assert proposal.change["models"][0] == "a/faster"


def test_more_requests_make_it_surer_and_a_goal_that_is_just_met_less() -> None:
    (few,) = advised(late())
    (many,) = advised(late(alias={"requests": 9_000}, fast={"requests": 9_000}))
    (tight,) = advised(late(fast={"ttft_p95_ms": 295}))
    assert tight.confidence < few.confidence < many.confidence == 85


def failing(**changes: Any) -> Snapshot:
    """An alias of one model that failed to load three times, and one that always loads."""
    return snapshot(
        models={
            "a/only": model(**{"loads": 5, "load_failures": 3, **changes.pop("only", {})}),
            "a/sound": model(**{"loads": 4, **changes.pop("sound", {})}),
        },
        aliases={"chat": alias(*changes.pop("chain", ("a/only",)), **changes.pop("alias", {}))},
    )


def test_an_alias_whose_model_fails_to_load_is_given_something_to_fall_back_on() -> None:
    (proposal,) = advised(failing())
    assert (proposal.kind, proposal.target) == (Kind.ROUTE, "chat")
    assert proposal.change == {"models": ["a/only", "a/sound"]}
    assert proposal.predicts == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"only": {"load_failures": 1}},
        {"only": {"task": "embed"}, "sound": {"task": "embed"}},
        {"chain": ("a/only", "a/sound")},
        {"chain": ("a/only", "a/gone")},
        {"alias": {"source": "file"}},
        {"sound": {"loads": 0}},
        {"sound": {"load_failures": 1}},
        {"sound": {"trust": "quarantined"}},
        {"sound": {"need_bytes": 60 * GIB}},
    ],
    ids=str,
)
def test_nothing_is_given_to_fall_back_on(changes: dict[str, Any]) -> None:
    assert advised(failing(**changes)) == []


def test_an_alias_is_proposed_for_once() -> None:
    """Late and failing: two proposals about one alias would undo each other."""
    facts = late(slow={"loads": 9, "load_failures": 4}, fast={"loads": 3})
    assert [one.change["models"] for one in advised(facts)] == [["a/fast", "a/slow"]]
