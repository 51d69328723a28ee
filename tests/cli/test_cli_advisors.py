"""`lmx advice run`, `advisors`, `replay`, `scorecard`, `snapshot`: who advises, and how well."""

from tests.cli.runs import Run, squeezed
from tests.fakes import advice_answers as told
from tests.fakes.authority_http import FakeAuthority


def test_advisors_say_what_they_assume_and_what_stands_around_them(
    lmx: Run, advising: FakeAuthority
) -> None:
    shown = squeezed(lmx("advice", "advisors").out)
    for part in (
        "advisor residency runs by itself and when asked",
        "2026-09-21T14:13:20.000Z: 2 kept, 1 refused, nothing it may not do",
        "advisor llm runs only when asked",
        "last run never",
        "own process stands",
        "landlock DOES NOT STAND: This kernel has none.",
    ):
        assert part in shown


def test_a_run_tells_what_was_kept_and_what_was_tried(lmx: Run, advising: FakeAuthority) -> None:
    ended = lmx("advice", "run", "residency")
    assert ended.code == 0
    shown = squeezed(ended.out)
    for part in ("kept 2", "refused 0", "tried 1 thing it may not do", "open: /etc/passwd"):
        assert part in shown
    advising.scripted["/authority/advisors/residency/run"] = told.RAN | {"ended": "out of time"}
    ended = lmx("advice", "run", "residency")
    assert ended.code == 1
    assert "did not end well: out of time" in ended.err


def test_a_run_that_brings_nothing_says_why_and_what_to_do(
    lmx: Run, advising: FakeAuthority
) -> None:
    ran = "/authority/advisors/residency/run"
    advising.scripted[ran] = told.RAN | {"kept": 0}
    assert "it found nothing to propose" in lmx("advice", "run", "residency").err
    advising.scripted[ran] = told.RAN | {"kept": 0, "questions": 1}
    assert "the model's answer held nothing" in lmx("advice", "run", "residency").err
    why = "the settings name no model for advice: set advice.llm_model in config.yaml"
    advising.scripted[ran] = told.RAN | {"kept": 0, "unanswered": [why]}
    ended = lmx("advice", "run", "residency")
    assert f"no answer {why}" in squeezed(ended.out)
    assert ended.err == ""
    advising.scripted[ran] = told.RAN | {"kept": 0, "refused": 2}
    assert "lmx ledger ls --actor advisor:residency" in lmx("advice", "run", "residency").err


def test_a_replay_tells_whatever_was_measured(lmx: Run, advising: FakeAuthority) -> None:
    ended = lmx("advice", "replay", "residency", "--month", "rotation", "--seed", "7")
    assert ended.code == 0
    asked = advising.last("/authority/advisors/residency/replay").body
    assert asked == {"month": "rotation", "seed": 7}
    shown = squeezed(ended.out)
    assert shown.startswith("advisor residency month office seed 7 requests 9776 ")
    for part in (
        "cold starts with the advice 40",
        "cold starts with plain LRU 100",
        "avoided of plain LRU's 60 %",
        "wrong advice 10",
        "peak 22.0 MiB",
    ):
        assert part in shown
    assert ended.err == ""
    assert lmx("advice", "replay", "residency", "--month", "may").code == 2
    replay = "/authority/advisors/residency/replay"
    advising.scripted[replay] = told.REPLAYED | {"proposals": 0}
    assert "it proposed nothing" in lmx("advice", "replay", "residency").err


def test_the_scorecard_counts_and_says_what_came_true(lmx: Run, advising: FakeAuthority) -> None:
    lines = lmx("advice", "scorecard").out.splitlines()
    assert lines[0].split()[:3] == ["AUTHOR", "PROPOSED", "OPEN"]
    assert lines[1].split() == ["advisor:housekeeping", *"9 1 4 3 1 3 1 0 0".split()]
    assert "did not" in lines[-1]
    assert "disk freed 3.0 GiB" in lines[-1]


def test_the_snapshot_is_told_in_a_few_lines(lmx: Run, advising: FakeAuthority) -> None:
    ended = lmx("advice", "snapshot")
    for part in (f"digest {told.DIGEST}", "looks back 30 days", "models 1", "rows of use 3"):
        assert part in squeezed(ended.out)
