"""What has to be done again and again is among the jobs that run beside the endpoint."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from app.wiring.running import _close, _jobs, _purge_due


def test_counts_are_written_and_hours_sealed_while_the_server_runs() -> None:
    authority = MagicMock()
    every = {job: seconds for seconds, job in _jobs(authority)}
    for job in (authority.refusals.flush_due, authority.reads.flush_due):
        assert every[job] <= 60
    assert every[authority.usage_digests.tick] <= 60


def test_stopping_writes_the_counts_before_the_last_record() -> None:
    authority = MagicMock()
    authority.boot_id = "b"
    _close(authority)
    told = [name for name, _, _ in authority.mock_calls]
    for first in ("usage.close", "refusals.close", "reads.close"):
        assert told.index(first) < told.index("ledger.append") < told.index("ledger.close")


async def test_a_question_about_the_trash_that_fails_does_not_end_the_purges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Trash:
        def due(self) -> list[SimpleNamespace]:
            asked.append("due")
            if len(asked) == 1:
                raise OSError("the disk failed")
            return [SimpleNamespace(id="1", ask="a0b1c2d3")]

    class Executing:
        async def purging(self, ask_id: str) -> None:
            asked.append(ask_id)

    monkeypatch.setitem(_purge_due.__globals__, "PURGES_S", 0.001)
    authority: Any = SimpleNamespace(trash=Trash())
    governed: Any = SimpleNamespace(executing=Executing())
    job = asyncio.create_task(_purge_due(authority, governed))
    while "a0b1c2d3" not in asked:
        await asyncio.sleep(0.001)
    job.cancel()
    assert asked[:3] == ["due", "due", "a0b1c2d3"]
