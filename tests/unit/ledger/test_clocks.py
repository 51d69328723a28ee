"""Somebody sets the clock: nothing is refused; order, runs and ids still tell what came when."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.ledger import StoredEvent
from tests.fakes import events
from tests.fakes.clock import START_UTC_US, FixedClock
from tests.fakes.home import Home, new_home

HOUR, YEAR = 3_600.0, 365 * 86_400.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = new_home(tmp_path / "home")
    yield made
    made.stop()


def recorded(home: Home) -> list[StoredEvent]:
    ledger = home.start("looks", FixedClock(utc_us=START_UTC_US))
    found = ledger.events(limit=1_000)
    home.stop()
    assert home.findings() == []
    return found


def assert_told(found: list[StoredEvent], boots: list[str]) -> None:
    """Numbers have no gap, ids are unique, each run is one stretch, and time in it only grows."""
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert len({event.event_id for event in found}) == len(found)
    assert list(dict.fromkeys(event.boot_id for event in found)) == boots
    for boot in boots:
        run = [event for event in found if event.boot_id == boot]
        assert [event.seq for event in run] == list(range(run[0].seq, run[-1].seq + 1))
        mono = [event.fields["mono_us"] for event in run]
        assert mono == sorted(mono)


@pytest.mark.parametrize("jumps", [[-HOUR, YEAR], [YEAR, -HOUR], [-HOUR] * 5, [-2 * YEAR, 0.0]])
def test_the_clock_may_jump_between_appends(home: Home, jumps: list[float]) -> None:
    clock = FixedClock()
    ledger = home.start("boot-1", clock)
    shown = []
    for jump in jumps:
        clock.jump(jump)
        clock.advance(1)
        receipts = [ledger.append(events.saying(str(jump))) for _ in range(3)]
        assert ledger.available
        shown += [ledger.event(receipt.seq).ts_utc_us for receipt in receipts]
    home.stop()
    assert_told(recorded(home), ["boot-1", "looks"])
    steps = [after - before for before, after in zip(shown[::3], shown[3::3], strict=False)]
    assert steps == [round((jump + 1) * 1_000_000) for jump in jumps[1:]]  # recorded as it was


@pytest.mark.parametrize("utc_us", [0, START_UTC_US - 3_600_000_000, 4_102_444_800_000_000])
def test_the_clock_may_be_another_one_at_the_next_start(home: Home, utc_us: int) -> None:
    """A machine that lost its clock begins in 1970, and its monotonic clock begins at 0 anyway."""
    home.start("boot-1", FixedClock())
    home.stop()
    ledger = home.start("boot-2", FixedClock(utc_us=utc_us, monotonic=0.5))
    ledger.append(events.load_intent())
    home.stop()
    ledger = home.start("boot-3", FixedClock(monotonic=3.0))
    assert len(ledger.reconcile()) == 1
    home.stop()
    found = recorded(home)
    assert_told(found, ["boot-1", "boot-2", "boot-3", "looks"])
    assert {event.ts_utc_us for event in found if event.boot_id == "boot-2"} == {utc_us}


def test_ids_are_unique_in_a_clock_that_stands_still(home: Home) -> None:
    ledger = home.start("boot-1", FixedClock())
    ids = {ledger.append(events.saying("x")).event_id for _ in range(100)}
    assert len(ids) == 100
