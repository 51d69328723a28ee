"""What the advisor `context` proposes of a model's context and idle time, and where it does not."""

from dataclasses import replace
from typing import Any

import pytest

from app._experimental.context import CONTEXT, wanted_tokens
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot, UseRow
from tests.fakes.advisors import advised as run
from tests.fakes.snapshots import GIB, model, row, snapshot

WIDE = {"requests": 200, "longest_tokens": 1_800, "terms_context": 32_768, "need_bytes": 30 * GIB}


def advised(facts: Snapshot) -> list[Proposal]:
    return run(CONTEXT, facts)


def test_a_context_far_above_use_may_be_smaller() -> None:
    (proposal,) = advised(snapshot(models={"a/wide": model(**WIDE)}))
    assert (proposal.kind, proposal.target) == (Kind.TERMS, "a/wide")
    assert proposal.change == {"context": 4_096}
    assert proposal.predicts == {"memory_freed_bytes": (32_768 - 4_096) * 4 * 131_072}
    assert "32,768" in proposal.reason
    assert "1,800" in proposal.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"requests": 49},
        {"longest_tokens": 0},
        {"longest_tokens": 8_193},
        {"terms_context": 8_191},
        {"kv_bytes_per_token": 0},
        {"terms_slots": 1, "kv_bytes_per_token": 2_048},
        {"need_bytes": 4 * GIB},
    ],
    ids=str,
)
def test_a_context_stays(changes: dict[str, Any]) -> None:
    """Too few requests to tell, one that was long, or nothing that would be gained by it."""
    assert advised(snapshot(models={"a/wide": model(**{**WIDE, **changes})})) == []


@pytest.mark.parametrize(
    ("longest", "wanted"),
    [(1, 2_048), (1_024, 2_048), (1_025, 3_072), (1_800, 4_096), (5_000, 10_240)],
)
def test_there_is_room_for_twice_the_longest_in_whole_steps(longest: int, wanted: int) -> None:
    assert wanted_tokens(longest) == wanted


def test_no_more_is_freed_than_there_is_besides_the_weights() -> None:
    (proposal,) = advised(snapshot(models={"a/wide": model(**{**WIDE, "need_bytes": 6 * GIB})}))
    assert proposal.predicts == {"memory_freed_bytes": 2 * GIB}


def test_it_is_less_sure_where_requests_were_refused_as_too_long() -> None:
    calm = snapshot(models={"a/wide": model(**WIDE)})
    refused = replace(calm, refusals=((20_000, "context_length_exceeded", 2),))
    other = replace(calm, refusals=((20_000, "queue_full", 2),))
    (sure,), (less,), (same,) = advised(calm), advised(refused), advised(other)
    assert less.confidence == sure.confidence - 20
    assert same.confidence == sure.confidence


def visits(pauses: list[int], cold: int = 1) -> list[UseRow]:
    """One request after each of these pauses (in hours), having waited for the load."""
    hours = [-sum(pauses[index:]) for index in range(len(pauses) + 1)]
    return [row(hour, "a/m", cold=cold if index else 0) for index, hour in enumerate(hours)]


def reloaded(pauses: list[int], **changes: Any) -> Snapshot:
    rows = changes.pop("rows", visits(pauses))
    facts = {"requests": len(rows), "cold": sum(one.cold for one in rows), "loads": len(rows)}
    others = changes.pop("others", {})
    return snapshot(models={"a/m": model(**{**facts, **changes}), **others}, rows=rows)


def test_a_model_that_is_unloaded_just_before_it_is_wanted_is_kept_for_longer() -> None:
    (proposal,) = advised(reloaded([3] * 10))
    assert (proposal.kind, proposal.target) == (Kind.TERMS, "a/m")
    assert proposal.change == {"idle_s": 4 * 3_600}
    assert proposal.predicts == {"cold_starts_avoided": 2}  # ten in 30 days
    assert proposal.confidence == 60


def test_a_few_longer_pauses_are_not_bridged() -> None:
    (proposal,) = advised(reloaded([2] * 8 + [20, 20]))
    assert proposal.change == {"idle_s": 3 * 3_600}
    assert "8 times" in proposal.reason


@pytest.mark.parametrize(
    ("pauses", "changes"),
    [
        ([3] * 4, {}),
        ([30] * 10, {}),
        ([3] * 10, {"terms_idle_s": 0}),
        ([3] * 10, {"terms_idle_s": 4 * 3_600}),
        ([3] * 10, {"pinned": True}),
        ([3] * 10, {"evictions": 1}),
        ([3] * 10, {"need_bytes": 25 * GIB}),
        ([3] * 10, {"rows": visits([3] * 10, cold=0)}),
        ([3] * 10, {"others": {"a/other": model(evictions=1)}}),
    ],
    ids=str,
)
def test_an_idle_time_stays(pauses: list[int], changes: dict[str, Any]) -> None:
    """Too seldom, too far apart, kept anyway, not reloaded, or memory is short."""
    assert advised(reloaded(pauses, **changes)) == []


def test_two_names_of_one_hour_are_one_pause() -> None:
    rows = visits([3] * 10)
    twice = [one._replace(name="chat", cold=1) for one in rows]
    (proposal,) = advised(reloaded([], rows=[*rows, *twice]))
    assert "10 times" in proposal.reason


def test_neither_kind_crowds_the_other_out() -> None:
    wide = {f"a/wide{index}": model(**WIDE) for index in range(12)}
    found = advised(reloaded([3] * 10, others=wide))
    assert len(found) == 10
    assert [one.target for one in found if "idle_s" in one.change] == ["a/m"]
