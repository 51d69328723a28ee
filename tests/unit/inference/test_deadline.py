"""One timer for many waits: it ends the wait, not the task, and never somebody else's cancel."""

import asyncio

import pytest

from app.authority.deadline import Deadline


def soon(seconds: float) -> Deadline:
    return Deadline(asyncio.get_running_loop().time() + seconds)


async def test_a_wait_that_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    deadline = soon(0.01)
    with pytest.raises(TimeoutError), deadline:
        await asyncio.sleep(10)
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_waits_in_time_are_not_touched_and_the_next_one_is_refused() -> None:
    deadline = soon(60)
    for _ in range(3):
        with deadline:
            await asyncio.sleep(0)
    deadline.close()
    deadline = soon(0.03)
    with deadline:
        pass  # too short to be too late on any machine
    await asyncio.sleep(0.05)  # not in the deadline's care
    with pytest.raises(TimeoutError), deadline:
        pytest.fail("a wait began too late")


async def test_whoever_is_cancelled_by_others_stays_cancelled() -> None:
    async def wait() -> None:
        with soon(10):
            await asyncio.sleep(10)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_is_a_cancel() -> None:
    async def wait() -> None:
        deadline = soon(0)
        with deadline:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_at(deadline.at, task.cancel)
            await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())


async def test_a_closed_deadline_does_nothing() -> None:
    deadline = soon(0.01)
    with deadline:
        pass
    deadline.close()
    await asyncio.sleep(0.03)
    with deadline:
        await asyncio.sleep(0.01)
