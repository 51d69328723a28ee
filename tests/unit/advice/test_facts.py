"""A snapshot says what the authority knows of models, their use and the machine."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.advice.facts import DAYS, models_budget, source_of
from app.authority.ledger.hour_use import HOUR_US
from app.authority.lifecycle.residency import Terms
from app.authority.permissions import Permission, grant
from app.domain.actors import ANONYMOUS
from app.domain.advice.snapshot import as_plain, from_plain
from app.domain.memory import MemoryReading
from app.domain.refusals import ModelNotFound, Refusal
from app.domain.terms import OwnTerms
from tests.fakes.lifecycle import LIMITS, OPERATOR, operator
from tests.fakes.memory import GIB
from tests.fakes.study import M0, M1, M2, Study, open_study

DAY_S = 86_400


@pytest.fixture
async def study(tmp_path: Path) -> AsyncIterator[Study]:
    async with open_study(tmp_path) as made:
        yield made


async def test_a_model_that_was_never_asked_has_its_size_and_nothing_else(study: Study) -> None:
    model, found = study.house.models[1], study.model(M1)
    assert (found.digest, found.size_bytes) == (model.digest, model.size_bytes)
    assert (found.state, found.resident_bytes, found.context, found.slots) == (
        "absent",
        0,
        None,
        None,
    )
    assert (found.requests, found.cold, found.last_used_us, found.ttft_p95_ms) == (0, 0, None, None)
    assert (found.loads, found.load_failures, found.evictions, found.load_ms) == (0, 0, 0, None)
    assert (found.trust, found.source, found.format, found.task) == (
        *("pinned", "imported"),
        *("mlx", "generate"),
    )


async def test_what_a_load_needs_is_what_a_load_is_promised(study: Study) -> None:
    await study.ask(M0)
    held = study.house.serving.residency.of(M0)
    found = study.model(M0)
    assert found.need_bytes == held.promised_bytes
    assert (found.state, found.resident_bytes) == ("ready", held.resident_bytes)
    assert (found.context, found.slots) == (LIMITS.default_context, LIMITS.slots)
    assert (found.terms_context, found.terms_slots) == (LIMITS.default_context, LIMITS.slots)


async def test_own_terms_are_what_a_model_would_be_loaded_on(study: Study) -> None:
    before = study.model(M0)
    study.house.own[M0] = OwnTerms(context=64, slots=1, idle_s=0)
    after = study.model(M0)
    assert (after.terms_context, after.terms_slots, after.terms_idle_s) == (64, 1, 0)
    assert after.need_bytes < before.need_bytes
    assert study.model(M1).need_bytes == before.need_bytes


async def test_each_token_of_context_takes_what_feasibility_says(study: Study) -> None:
    shape = study.house.catalog.shape(M0)
    (group,) = shape.kv
    each = group.layers * group.bytes_per_token(shape.element_bytes)
    assert study.model(M0).kv_bytes_per_token == each


async def test_requests_count_for_the_model_and_for_the_alias_that_was_named(study: Study) -> None:
    for name in ("default", "default", M0):
        await study.ask(name)
    found = study.snapshot()
    assert found.models[M0].requests == 3
    assert found.models[M0].cold == 1
    assert found.models[M0].longest_tokens == 5 + 8
    assert found.models[M0].last_used_us == study.house.clock.utc_us()
    alias = found.aliases["default"]
    assert (alias.models, alias.source, alias.goal_ms) == ((M0, M1), "file", 700)
    assert (alias.requests, alias.ttft_p95_ms) == (2, 0)


async def test_an_alias_that_a_person_gave_is_told_from_the_files(study: Study) -> None:
    may = grant(OPERATOR, Permission.MODEL_CHANGE)
    study.annotations.put_alias(may, M1, "fast", (M2,))
    aliases = study.snapshot().aliases
    assert (aliases["fast"].source, aliases["fast"].models) == ("given", (M1, M2))
    assert aliases["fast"].goal_ms is None
    assert "gone" not in aliases


async def test_use_has_a_row_for_each_hour_model_and_name_in_the_order_of_hours(
    study: Study,
) -> None:
    for _ in range(3):
        await study.ask("default")
        await study.ask(M1)
        study.house.clock.advance(3_600)
    rows = list(study.snapshot().use.rows())
    first = rows[0].hour
    assert [(r.hour - first, r.model, r.name, r.requests, r.cold) for r in rows] == [
        (0, M0, "default", 1, 1),
        (0, M1, M1, 1, 1),
        (1, M0, "default", 1, 0),
        (1, M1, M1, 1, 0),
        (2, M0, "default", 1, 0),
        (2, M1, M1, 1, 0),
    ]
    assert (rows[0].prompt_tokens, rows[0].completion_tokens, rows[0].waited_p95_ms) == (5, 8, 0)


async def test_what_is_older_than_the_days_is_only_known_as_the_last_use(study: Study) -> None:
    await study.ask(M0)
    at_us = study.house.clock.utc_us()
    study.house.clock.advance((DAYS + 1) * DAY_S)
    await study.ask(M1)
    found = study.snapshot()
    assert (found.models[M0].requests, found.models[M0].last_used_us) == (0, at_us)
    assert {row.model for row in found.use.rows()} == {M1}
    assert study.model(M0).last_used_us == at_us  # also from what is remembered


async def test_with_more_rows_than_are_given_the_newest_are_and_sums_have_all(
    study: Study,
) -> None:
    for _ in range(6):
        await study.ask(M0)
        study.house.clock.advance(3_600)
    study.facts = replace(study.facts, most_rows=4)
    whole = {row.hour for row in study.snapshot().use.rows()}
    assert len(whole) == 4
    assert max(whole) == study.house.clock.utc_us() // HOUR_US - 1
    assert study.model(M0).requests == 6


async def test_loads_failures_and_evictions_are_those_of_the_ledger(study: Study) -> None:
    study.house.room_for(1)
    await study.ask(M0)
    await study.ask(M1)
    study.house.host.fail_next("no such tensor")
    with pytest.raises(Refusal):
        await study.ask(M2)
    found = study.snapshot().models
    assert (found[M0].loads, found[M0].evictions) == (1, 1)
    assert (found[M1].loads, found[M1].load_failures) == (1, 0)
    assert (found[M2].loads, found[M2].load_failures) == (0, 1)
    assert found[M0].load_ms == 0
    study.house.clock.advance((DAYS + 1) * DAY_S)
    assert study.model(M0).loads == 0


async def test_an_unload_that_was_asked_for_is_no_eviction(study: Study) -> None:
    await study.ask(M0)
    model = study.house.models[0]
    await study.house.serving.unload(operator(Permission.MODEL_UNLOAD, model), M0)
    assert study.model(M0).evictions == 0


async def test_refusals_are_counted_by_day_and_code_and_floods_as_many_as_they_were(
    study: Study,
) -> None:
    day = study.house.clock.utc_us() // (DAY_S * 1_000_000)
    refusal = ModelNotFound("No model or alias is called 'x'.")
    for _ in range(250):
        study.refusals.record(ANONYMOUS, refusal, "x")
    study.house.clock.advance(61)
    study.refusals.flush_due()
    assert study.snapshot().refusals == ((day, "model_not_found", 250),)
    study.house.clock.advance(DAY_S)
    study.refusals.record(ANONYMOUS, refusal, "x")
    assert study.snapshot().refusals == (
        (day, "model_not_found", 250),
        (day + 1, "model_not_found", 1),
    )
    study.house.clock.advance((DAYS + 1) * DAY_S)
    assert study.snapshot().refusals == ()


async def test_what_models_share_is_not_freed_by_deleting_one(study: Study) -> None:
    house = study.house
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    house.catalog.import_directory(
        may, study.home / "model-0", "test/twin", lambda _: None, lambda: False
    )
    assert study.model(M0).frees_bytes == study.model("test/twin").frees_bytes == 0
    own = {a.sha256: a.size for a in house.catalog.manifest(M1).artifacts}
    others = {a.sha256 for other in (M0, M2) for a in house.catalog.manifest(other).artifacts}
    frees = sum(size for sha256, size in own.items() if sha256 not in others)
    assert study.model(M1).frees_bytes == frees > 0


async def test_the_machine_and_its_store_are_as_they_are_read(study: Study) -> None:
    for place, size in (("trash/ab/x", 10_000), ("cache/x", 20_000), ("store/stray", 30_000)):
        path = study.home / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    host = study.snapshot().host
    taken = {
        name: (study.home / place).stat().st_blocks * 512
        for name, place in {"t": "trash/ab/x", "c": "cache/x", "o": "store/stray"}.items()
    }
    assert (host.trash_bytes, host.cache_bytes, host.orphan_bytes) == tuple(taken.values())
    assert (host.memory_total_bytes, host.memory_available_bytes) == (64 * GIB, 64 * GIB)
    assert host.models_budget_bytes == 64 * GIB * 90 // 100
    assert (host.default_context, host.default_slots) == (LIMITS.default_context, LIMITS.slots)
    assert (host.idle_ttl_s, host.queue_limit) == (LIMITS.idle_ttl_s, LIMITS.queue_limit)


async def test_the_budget_of_all_models_does_not_shrink_by_those_in_memory(study: Study) -> None:
    before = study.snapshot().host
    await study.ask(M0)
    after = study.snapshot().host
    assert after.memory_available_bytes < before.memory_available_bytes
    assert after.models_budget_bytes == before.models_budget_bytes


async def test_a_control_groups_room_counts_what_models_hold_of_it(study: Study) -> None:
    await study.ask(M0)
    held = study.house.serving.residency.of(M0).resident_bytes
    reading = MemoryReading(
        taken_at=0.0,
        total_bytes=64 * GIB,
        available_bytes=64 * GIB,
        cgroup_limit_bytes=10 * GIB,
        cgroup_used_bytes=held + GIB,
    )
    residency = study.house.serving.residency
    assert models_budget(reading, residency, now=0.0) == 9 * GIB * 90 // 100


async def test_who_is_pinned_is_said_of_the_model_and_of_what_is_in_memory(study: Study) -> None:
    may = grant(OPERATOR, Permission.MODEL_CHANGE)
    study.annotations.pin(may, M1, pinned=True)
    model = study.house.models[0]
    terms = Terms(LIMITS.default_context, LIMITS.slots, pinned=True)
    await study.house.serving.load(operator(Permission.MODEL_LOAD, model), model, terms)
    pinned = {name for name, of in study.snapshot().models.items() if of.pinned}
    assert pinned == {M0, M1}


async def test_a_deleted_models_use_is_left_out(study: Study) -> None:
    await study.ask(M0)
    await study.ask(M1)
    assert study.usage.flush(60)
    with study.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE hour_use SET model_id = 'test/was' WHERE model_id = ?", (M0,)
        )
    found = study.snapshot()
    assert found.use.models == (M1,)


def test_where_a_model_came_from_is_a_word() -> None:
    assert source_of("https://huggingface.co/org/name@abc") == "pulled"
    assert source_of("lmstudio: ~/anna/models/x") == "adopted"
    assert source_of("hf: /Users/anna/.cache") == "adopted"
    assert source_of("/Users/anna/models/x") == "imported"
    assert source_of("bundled") == "bundled"


async def test_a_snapshot_is_the_same_after_json(study: Study) -> None:
    await study.ask("default")
    found = study.snapshot()
    assert from_plain(json.loads(json.dumps(as_plain(found)))) == found
