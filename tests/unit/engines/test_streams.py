"""What waits for a slow consumer is merged; what ended is told after everything before it."""

import asyncio

import pytest

from app.domain.generation import Delta, Finished, FinishReason, Started
from app.domain.refusals import WorkerLost
from app.engines.streams import SequenceStream

DONE = Finished(FinishReason.STOP, 1, 3)


async def test_deltas_that_wait_become_one() -> None:
    stream = SequenceStream()
    stream.put(Started(1))
    stream.put_delta("one ", 1)
    stream.put_delta("two", 2)
    stream.put_last(DONE)
    assert [await stream.next() for _ in range(3)] == [Started(1), Delta("one two", 3), DONE]


async def test_a_delta_that_comes_later_is_its_own() -> None:
    stream = SequenceStream()
    waiting = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    stream.put_delta("one", 1)
    assert await waiting == Delta("one", 1)
    stream.put_delta("two", 1)
    assert await stream.next() == Delta("two", 1)


async def test_a_failure_comes_after_the_text_before_it() -> None:
    stream = SequenceStream()
    stream.put_delta("partial", 1)
    stream.fail(WorkerLost("gone"))
    assert await stream.next() == Delta("partial", 1)
    with pytest.raises(WorkerLost):
        await stream.next()


async def test_what_finished_cannot_fail_any_more() -> None:
    stream = SequenceStream()
    stream.put_last(DONE)
    stream.fail(WorkerLost("gone"))
    assert await stream.next() == DONE


async def test_a_consumer_that_left_can_come_back() -> None:
    stream = SequenceStream()
    waiting = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    waiting.cancel()
    stream.put_delta("one", 1)
    assert await stream.next() == Delta("one", 1)
