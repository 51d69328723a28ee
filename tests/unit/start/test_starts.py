"""A crash loop is starts that crash one after another, and nothing else is one."""

from pathlib import Path

import pytest

from app.starts import LOOP, WINDOW_S, Starts, Verdict, in_a_row, judge

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOON = 1_790_000_000 * SECOND


class Machine:
    """A state directory and a clock that a test sets."""

    def __init__(self, home: Path) -> None:
        (home / "run").mkdir()
        self.file = home / "run" / "starts.json"
        self.now_us = NOON
        self.starts = Starts(home, lambda: self.now_us)

    def crashes(self, *, after_s: float = 5) -> Verdict:
        """A start that ends badly, so long before the next one."""
        verdict = self.starts.begin()
        self.now_us += int(after_s * SECOND)
        return verdict


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_start_after_three_that_crashed_at_once_loads_nothing_by_itself(machine: Machine) -> None:
    assert [machine.crashes().safe_mode for _ in range(LOOP)] == [""] * LOOP
    said = machine.starts.begin().safe_mode
    assert said.startswith("The last 3 starts ended without being stopped, each within 10 minutes")
    assert said.count(":") == 6  # the three times


def test_a_loop_that_takes_minutes_to_crash_is_one_too(machine: Machine) -> None:
    for _ in range(LOOP):
        machine.crashes(after_s=WINDOW_S - 30)
    assert machine.starts.begin().safe_mode


def test_it_stays_careful_for_as_long_as_starts_go_on_ending_badly(machine: Machine) -> None:
    for _ in range(40):
        last = machine.crashes()
    assert "The last 16 starts" in last.safe_mode
    assert machine.file.stat().st_size < 400


def test_starts_that_crashed_days_apart_are_no_loop(machine: Machine) -> None:
    """The predecessor compared now with the start that it had just recorded: always true."""
    assert not any(machine.crashes(after_s=7 * 86_400).safe_mode for _ in range(10))


def test_a_start_that_ended_well_begins_the_count_anew(machine: Machine) -> None:
    for _ in range(LOOP):
        machine.crashes()
    machine.starts.begin()
    machine.starts.ended_well()
    assert [machine.crashes().safe_mode for _ in range(LOOP)] == [""] * LOOP


def test_a_clock_that_is_set_back_or_forward_makes_no_loop(machine: Machine) -> None:
    for jump in (-DAY, DAY, -SECOND, 400 * DAY, -NOON // 2):
        machine.crashes()
        machine.now_us += jump
        assert machine.crashes().safe_mode == ""


def test_a_loop_is_found_again_after_the_clock_was_set_back(machine: Machine) -> None:
    machine.crashes()
    machine.now_us -= DAY
    for _ in range(LOOP):
        assert not machine.crashes().safe_mode
    assert machine.starts.begin().safe_mode


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"began_us": 3}', '{"began_us": ["1"]}', "[" * 100_000, "\0"]
)
def test_a_file_that_cannot_be_used_is_no_history_and_is_said(machine: Machine, text: str) -> None:
    machine.file.write_text(text, "utf-8")
    verdict = machine.starts.begin()
    assert verdict.safe_mode == ""
    assert "earlier starts are not known" in verdict.unknown
    assert machine.starts.begin().unknown == ""  # it has been written anew


def test_a_file_that_cannot_be_written_stops_no_start(machine: Machine) -> None:
    machine.file.mkdir()
    verdict = machine.starts.begin()
    assert (verdict.safe_mode, bool(verdict.unknown)) == ("", True)
    machine.starts.ended_well()


def test_the_first_start_knows_nothing_and_says_nothing(machine: Machine) -> None:
    assert machine.starts.begin() == Verdict()
    assert machine.file.stat().st_mode & 0o077 == 0


def test_only_the_latest_row_counts() -> None:
    times = (NOON, NOON + SECOND, NOON + DAY, NOON + DAY + SECOND)
    row = in_a_row(times, NOON + DAY + 2 * SECOND)
    assert row == times[2:]
    assert judge(row) == ""
