"""What the sums of an hour are told of a request: its name, load, turn and longest part."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.ledger.durations import bucket, from_text
from app.authority.lifecycle.queueing import Line
from app.database import open_engine
from app.domain.refusals import ContextLengthExceeded
from tests.fakes.lifecycle import build_house
from tests.unit.inference.test_inference import MODEL, Desk, ask, read


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    house = build_house(tmp_path)
    database = open_engine(tmp_path / "lmx.db")
    built = Desk(house, database)
    yield built
    for engine in house.host.started:
        engine.release()
    await house.serving.close()
    built.usage.close()
    database.dispose()


def kept(desk: Desk) -> list[dict[str, Any]]:
    assert desk.usage.flush(60)
    with desk.database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM hour_use ORDER BY model_id, name")
        return [dict(row._mapping) for row in rows]


async def test_a_request_counts_under_the_name_that_was_asked_for(desk: Desk) -> None:
    await read(await desk.open(ask("hello", model="chat")))
    await read(await desk.open(ask("hello")))
    found = [(one["model_id"], one["name"], one["requests"]) for one in kept(desk)]
    assert found == [(MODEL, "chat", 1), (MODEL, MODEL, 1)]


async def test_the_request_that_waited_for_a_load_is_the_cold_one(desk: Desk) -> None:
    for _ in range(3):
        await read(await desk.open(ask("hello")))
    (hour,) = kept(desk)
    assert (hour["requests"], hour["cold"]) == (3, 1)


async def test_a_fallback_that_is_in_memory_is_not_cold(desk: Desk) -> None:
    await read(await desk.open(ask("hello", model="test/model-1")))
    desk.house.host.fail_next("no such tensor")
    await read(await desk.open(ask("hello", model="chat")))
    by_name = {one["name"]: (one["model_id"], one["cold"]) for one in kept(desk)}
    assert by_name == {"chat": ("test/model-1", 0), "test/model-1": ("test/model-1", 1)}


async def test_the_longest_sequence_counts_and_not_all_of_them_together(desk: Desk) -> None:
    await read(await desk.open(ask("one", "three", "two")))
    (hour,) = kept(desk)
    assert (hour["prompt_tokens"], hour["longest_tokens"]) == (11, 5 + 8)


async def test_who_comes_third_to_two_slots_waits_and_the_load_is_not_counted(desk: Desk) -> None:
    await read(await desk.open(ask("warm", model="chat")))
    (engine,) = desk.engines
    engine.hold()
    first, second, third = [await desk.open(ask("hello")) for _ in range(3)]
    desk.house.clock.advance(2)
    engine.release()
    await read(first)
    desk.house.clock.advance(3)
    await read(second)
    await read(third)
    cold, warm = kept(desk)
    assert from_text(cold["waited"]) == {bucket(0): 1}
    assert from_text(warm["waited"]) == {bucket(0): 2, bucket(2_000): 1}


async def test_a_refused_request_is_counted_as_refused(desk: Desk) -> None:
    await read(await desk.open(ask("warm")))
    with pytest.raises(ContextLengthExceeded):
        await desk.open(ask("x" * 300))
    (hour,) = kept(desk)
    assert (hour["requests"], hour["refused"]) == (2, 1)


def test_turns_come_in_order_and_one_that_is_given_up_is_passed_over() -> None:
    line = Line()
    first = line.join("a", 2, slots=2, now=0.0)
    second, third, fourth = [line.join("a", 1, slots=2, now=at) for at in (1.0, 2.0, 3.0)]
    assert (first.waited_ms, second.began) == (0, None)
    line.leave(second, now=4.0)
    line.leave(first, now=10.0)
    assert [turn.waited_ms for turn in (second, third, fourth)] == [3_000, 8_000, 7_000]
    fifth = line.join("a", 1, slots=2, now=11.0)
    line.leave(third, now=12.5)
    assert fifth.waited_ms == 1_500


def test_a_request_of_more_sequences_than_slots_begins_and_others_wait_for_it() -> None:
    line = Line()
    large = line.join("a", 5, slots=2, now=0.0)
    small = line.join("a", 1, slots=2, now=0.0)
    assert (large.began, small.began) == (0.0, None)
    line.leave(large, now=1.0)
    assert small.began == 1.0
