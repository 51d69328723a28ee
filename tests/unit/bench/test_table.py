"""The benchmark's table says what was measured, and a target that is missed says MISSED."""

import itertools
import json
from pathlib import Path

import pytest

from bench.models import prompts
from bench.rounds import interleaved, paired_ratio
from bench.statistics import percentile
from bench.table import above, at_least, below, missed, no_more_than, orientation, render, write


def test_more_is_better_is_met_from_the_ratio_on() -> None:
    assert at_least("decode", 95, 100, "tok/s", ratio=0.95).verdict == "met"
    assert at_least("decode", 94.9, 100, "tok/s", ratio=0.95).verdict == "MISSED"


def test_a_ratio_taken_round_by_round_counts_more_than_the_two_figures() -> None:
    row = at_least("decode", 100, 100, "tok/s", ratio=0.95, measured=0.9)
    assert (row.ratio, row.verdict) == (0.9, "MISSED")


def test_less_is_better_is_met_up_to_the_ratio() -> None:
    assert no_more_than("first token", 10, 10, "ms").verdict == "met"
    assert no_more_than("first token", 10.1, 10, "ms").verdict == "MISSED"


def test_a_floor_is_met_from_it_on() -> None:
    assert above("appends", 10_000, "/s", limit=10_000).verdict == "met"
    assert above("appends", 9_999, "/s", limit=10_000).verdict == "MISSED"


def test_a_limit_is_met_below_it_only() -> None:
    assert below("memory", 119.9, "MB", limit=120).met
    assert not below("memory", 120, "MB", limit=120).met


def test_nothing_to_compare_with_is_missed_not_divided_by() -> None:
    assert not at_least("decode", 1, 0, "tok/s", ratio=0.95).met
    assert not no_more_than("first token", 1, 0, "ms").met


def test_what_could_not_be_measured_is_missed() -> None:
    assert missed("hashing", "MB/s", target=">= 0.9", note="no such file").verdict == "MISSED"


def test_orientation_has_no_verdict() -> None:
    row = orientation("stream_generate", 90, 100, "tok/s")
    assert (row.ratio, row.verdict) == (0.9, "")


def test_the_table_has_a_line_per_row_and_aligned_columns() -> None:
    rows = [
        at_least("decode", 2400.4, 2500, "tok/s", ratio=0.95, note="quiet"),
        below("memory", 87.25, "MB", limit=120),
    ]
    head, rule, first, second = render(rows).splitlines()
    assert head.index("unit") == first.index("tok/s") == second.index("MB ")
    assert set(rule) == {"-", " "}
    assert "2,400" in first
    assert "met" in first
    assert "87.2" in second


def test_the_json_holds_every_row_with_its_verdict(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    write(path, [below("memory", 130.0, "MB", limit=120)], about={"cores": 2})
    read = json.loads(path.read_text())
    assert read["about"] == {"cores": 2}
    assert [row["verdict"] for row in read["rows"]] == ["MISSED"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (95, 95), (100, 100), (1, 1), (0.5, 1)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 50)


def test_rounds_are_interleaved_in_turns_and_warm_ups_are_dropped() -> None:
    asked: list[tuple[str, int]] = []

    def side(name: str, prompt: int) -> int:
        asked.append((name, prompt))
        return prompt

    kept = interleaved(
        {"a": lambda p: side("a", p), "b": lambda p: side("b", p)}, prompts=[0, 1, 2], warm_ups=1
    )
    assert asked == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert kept == {"a": [1, 2], "b": [1, 2]}


def test_a_slow_round_does_not_move_the_paired_ratio() -> None:
    assert paired_ratio([10, 1, 10], [10, 1, 10]) == 1.0


def test_prompts_that_follow_each_other_begin_differently() -> None:
    asked = prompts(200, first=0)
    assert all(earlier[0] != later[0] for earlier, later in itertools.pairwise(asked))
    assert all(len({prompt[:2] for prompt in asked[n : n + 10]}) == 10 for n in range(190))
