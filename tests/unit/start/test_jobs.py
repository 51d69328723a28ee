"""What has to be done again and again is among the jobs that run beside the endpoint."""

from unittest.mock import MagicMock

from app.wiring.running import _close, _jobs


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
