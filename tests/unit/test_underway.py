"""What was begun comes to its end, whoever leaves; a list goes on where it stopped."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.authority.paging import cursor_of, read_cursor
from app.authority.underway import Underway
from app.domain.refusals import InvalidRequest, ModelNotLoaded


async def test_whoever_leaves_does_not_cut_it_short() -> None:
    underway, go_on, ended = Underway("work_failed"), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    asked = asyncio.create_task(underway.to_its_end(work()))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait({asked})
    go_on.set()
    await underway.close(60)
    assert ended.is_set()


async def test_closing_ends_what_is_late() -> None:
    underway, left = Underway("work_failed"), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    asked = asyncio.create_task(underway.to_its_end(work()))
    await asyncio.sleep(0)
    await underway.close(0)
    assert left.is_set()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_a_defect_is_in_the_log_and_a_refusal_is_not() -> None:
    underway = Underway("work_failed")

    async def raising(error: Exception) -> None:
        raise error

    with capture_logs() as logs:
        for error in (KeyError("gone"), ModelNotLoaded("no")):
            with pytest.raises(type(error)):
                await underway.to_its_end(raising(error))
    assert [(one["event"], one["error"]) for one in logs] == [("work_failed", "KeyError('gone')")]


def test_a_cursor_is_read_as_it_was_written_and_nothing_else_is() -> None:
    assert read_cursor(None) is None
    assert read_cursor(cursor_of(1_800_000_000_000_000, "0badcafe")) == (
        1_800_000_000_000_000,
        "0badcafe",
    )
    for wrong in ("", "-", "x-1", "١-a", "1" * 19 + "-a", "-1-a"):
        with pytest.raises(InvalidRequest):
            read_cursor(wrong)
