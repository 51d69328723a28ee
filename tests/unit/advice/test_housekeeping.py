"""What the advisor `housekeeping` would have deleted or purged, and what it leaves alone."""

from typing import Any

import pytest

from app._experimental.housekeeping import HOUSEKEEPING, base_name
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot
from tests.fakes.advisors import advised as run
from tests.fakes.snapshots import DAY_US, GIB, IN_MEMORY, NOW_US, alias, model, snapshot

USED = {"requests": 50, "last_used_us": NOW_US - DAY_US}


def advised(facts: Snapshot) -> list[Proposal]:
    return run(HOUSEKEEPING, facts)


def test_a_model_that_nobody_used_for_30_days_may_go() -> None:
    (proposal,) = advised(
        snapshot(models={"a/old": model(last_used_us=NOW_US - 45 * DAY_US, frees_bytes=3 * GIB)})
    )
    assert (proposal.kind, proposal.target) == (Kind.DELETE, "a/old")
    assert proposal.predicts == {"disk_freed_bytes": 3 * GIB}
    assert "45 days ago" in proposal.reason
    assert "3.0 GiB" in proposal.reason
    assert proposal.confidence == 55


def test_it_is_less_sure_of_what_cannot_be_pulled_again() -> None:
    (pulled,) = advised(snapshot(models={"a/old": model()}))
    (imported,) = advised(snapshot(models={"a/old": model(source="imported")}))
    assert imported.confidence == pulled.confidence - 20
    assert "did not come from the hub" in imported.assumes


def test_a_model_that_was_never_used_counts_from_when_it_came() -> None:
    (proposal,) = advised(snapshot(models={"a/new": model(created_us=NOW_US - 60 * DAY_US)}))
    assert "came 60 days ago" in proposal.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"last_used_us": NOW_US - 29 * DAY_US},
        {"created_us": NOW_US - 29 * DAY_US},
        {"pinned": True},
        IN_MEMORY,
        {"state": "loading"},
        {"state": "failed"},
        {"frees_bytes": 1 << 20},
    ],
    ids=str,
)
def test_a_model_stays(changes: dict[str, Any]) -> None:
    """Used or come lately, kept by a person, in memory, broken, or nothing would be gained."""
    assert advised(snapshot(models={"a/m": model(**changes)})) == []


def test_a_model_that_an_alias_leads_to_stays_wherever_it_stands_in_the_chain() -> None:
    models = {"a/first": model(**USED), "a/second": model()}
    for source in ("file", "given"):
        chain = alias("a/first", "a/second", source=source)
        assert advised(snapshot(models=models, aliases={"chat": chain})) == []


def test_days_that_were_not_watched_say_nothing_of_use() -> None:
    assert advised(snapshot(models={"a/m": model()}, days=29)) == []
    assert len(advised(snapshot(models={"a/m": model()}, days=30))) == 1


def twins(unused: str = "a/Big-7B-8bit", **changes: Any) -> Snapshot:
    """One model as 4bit, used, and as 8bit, for ten days not used."""
    facts = {"quantization": "8bit", "created_us": NOW_US - 10 * DAY_US, **changes.pop("its", {})}
    return snapshot(
        models={
            "b/Big-7B-4bit": model(**{**USED, **changes.pop("other", {})}),
            unused: model(**facts),
        },
        **{"days": 10, **changes},
    )


def test_of_one_model_in_two_quantisations_the_one_that_is_not_used_may_go() -> None:
    (proposal,) = advised(twins())
    assert (proposal.kind, proposal.target) == (Kind.DELETE, "a/Big-7B-8bit")
    assert "b/Big-7B-4bit" in proposal.reason
    assert ("models", "b/Big-7B-4bit", "requests") in {one.field for one in proposal.evidence}


@pytest.mark.parametrize(
    "changes",
    [
        {"unused": "a/Big-3B-8bit"},
        {"unused": "a/Big-7B-Coder-8bit"},
        {"its": {"requests": 1}},
        {"its": {"quantization": "4bit"}},
        {"its": {"architecture": "qwen3"}},
        {"its": {"task": "embed"}},
        {"its": {"parameters": 8_000_000_000}},
        {"its": {"parameters": 0}},
        {"its": {"parameters": 0}, "other": {"parameters": 0}},
        {"its": {"pinned": True}},
        {"its": {"created_us": NOW_US - 6 * DAY_US}},
        {"other": {"requests": 0}},
        {"days": 6},
    ],
    ids=str,
)
def test_no_twin_is_seen(changes: dict[str, Any]) -> None:
    assert advised(twins(**changes)) == []


def test_a_model_is_proposed_for_once_where_both_rules_say_so() -> None:
    facts = twins(its={"quantization": "8bit", "created_us": NOW_US - 90 * DAY_US}, days=30)
    (proposal,) = advised(facts)
    assert "no use of it is known" in proposal.reason


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mlx-community/Qwen3-0.6B-4bit", "unsloth/Qwen3-0.6B-GGUF"),
        ("a/Llama-3.2-1B-Instruct-4bit", "b/Llama-3.2-1B-Instruct-Q4_K_M-GGUF"),
        ("a/model-bf16", "a/model-8bit-mlx"),
        ("a/model.Q8_0", "a/model-IQ2_XXS"),
        ("a/model-fp16", "b/Model"),
    ],
)
def test_names_that_differ_in_how_weights_are_kept_name_one_model(first: str, second: str) -> None:
    assert base_name(first) == base_name(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/Qwen3-4B", "a/Qwen3-8B"),
        ("a/Qwen3-4B", "a/Qwen3-4B-Base"),
        ("a/Qwen2", "a/Qwen3"),
        ("a/phi-4", "a/phi-4-mini"),
    ],
)
def test_names_that_differ_in_more_do_not(first: str, second: str) -> None:
    assert base_name(first) != base_name(second)


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ("downloads", "download_bytes"),
        ("caches", "cache_bytes"),
        ("orphans", "orphan_bytes"),
        ("trash", "trash_bytes"),
    ],
)
def test_what_takes_a_gibibyte_may_be_purged(what: str, field: str) -> None:
    (proposal,) = advised(snapshot(**{field: 2 * GIB}))
    assert (proposal.kind, proposal.target) == (Kind.PURGE, what)
    assert proposal.predicts == {"disk_freed_bytes": 2 * GIB}
    assert advised(snapshot(**{field: GIB - 1})) == []


def test_on_a_disk_that_is_nearly_full_less_is_much() -> None:
    (proposal,) = advised(snapshot(cache_bytes=100 << 20, disk_free_bytes=50 * GIB))
    assert proposal.target == "caches"
    assert advised(snapshot(cache_bytes=10 << 20, disk_free_bytes=50 * GIB)) == []


def test_what_would_free_the_most_comes_first_and_ten_are_enough() -> None:
    models = {f"a/m{index:02}": model(frees_bytes=index * GIB) for index in range(1, 15)}
    found = [one.target for one in advised(snapshot(models=models))]
    assert found == [f"a/m{index:02}" for index in range(14, 4, -1)]
