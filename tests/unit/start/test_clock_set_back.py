"""A start whose clock is behind the ledger says so, and the ledger goes on in order."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from app.authority.ledger import Kind, StoredEvent
from app.settings import Settings
from app.wiring.opening import open_authority
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed
from tests.fakes.offices import verified

DAY_S = 86_400


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


def started(home: Path, *, later_s: float, safe_mode: str = "") -> list[StoredEvent]:
    """Open the state so long after noon (before it, below zero), close it; all of its events."""
    clock = FixedClock()
    clock.advance(10 * DAY_S + later_s)
    with patch("app.wiring.opening.SystemClock", lambda: clock):
        authority = open_authority(
            Settings.model_validate({}), home=home, version="0", safe_mode=safe_mode
        )
    events = authority.ledger.events(limit=1000)
    authority.usage.close()
    authority.refusals.close()
    authority.reads.close()
    authority.ledger.close()
    authority.database.dispose()
    return events


def boots(events: list[StoredEvent]) -> list[StoredEvent]:
    return [event for event in events if event.kind == Kind.BOOT]


def test_a_clock_that_was_set_back_is_recorded_and_numbers_go_on(tmp_path: Path) -> None:
    for folder in ("ledger", "store", "trash"):
        (tmp_path / folder).mkdir(mode=0o700)
    started(tmp_path, later_s=0)
    events = started(tmp_path, later_s=-3 * DAY_S)
    assert [boot.data.get("clock_behind_s") for boot in boots(events)] == [None, 3 * DAY_S]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].ts_utc_us < events[0].ts_utc_us  # as the clock said, not as one would like
    assert "clock_behind_s" not in boots(started(tmp_path, later_s=1))[-1].data
    verified(tmp_path)


def test_a_start_in_safe_mode_is_recorded_with_the_reason(tmp_path: Path) -> None:
    for folder in ("ledger", "store", "trash"):
        (tmp_path / folder).mkdir(mode=0o700)
    events = started(tmp_path, later_s=0, safe_mode="Three starts crashed.")
    assert boots(events)[-1].data["safe_mode"] == "Three starts crashed."
