"""The past that ledgers are measured with: whole runs, real bodies, equal for equal seeds."""

import json

from app.evidence.verification.quick import leaves_if_canonical
from app.evidence.vocabulary import OUTCOME_OF, Kind
from bench.ledger_data import CHUNK, bodies, single_events


def test_a_run_has_exactly_the_events_asked_for_and_each_is_canonical() -> None:
    for first, count in ((7, 2), (7, 3), (1_001, 600), (1, CHUNK)):
        made = [body for _, body in bodies(first, count, start_us=10**15)]
        assert len(made) == count
        assert leaves_if_canonical(first, made) is not None


def test_a_run_begins_with_a_start_ends_with_a_stop_and_leaves_no_load_open() -> None:
    made = [json.loads(body) for _, body in bodies(5, 900, start_us=10**15)]
    assert (made[0]["kind"], made[-1]["kind"]) == (Kind.BOOT, Kind.SHUTDOWN)
    intents = {one["seq"] for one in made if one["kind"] in OUTCOME_OF}
    closed = [one["intent_seq"] for one in made if one["intent_seq"] is not None]
    assert sorted(closed) == sorted(intents)


def test_bodies_are_of_the_size_that_they_have_in_practice() -> None:
    sizes = [len(body) for _, body in bodies(1, 2_000, start_us=10**15)]
    assert 500 < sum(sizes) / len(sizes) < 700


def test_equal_seeds_give_equal_events_and_others_do_not() -> None:
    assert bodies(9, 50, start_us=10**15) == bodies(9, 50, start_us=10**15)
    assert bodies(9, 50, start_us=10**15) != bodies(9, 50, start_us=10**15, seed=1)
    assert single_events(50) == single_events(50)


def test_time_never_goes_back_from_one_run_to_the_next() -> None:
    both = bodies(1, 300, start_us=10**15) + bodies(301, 300, start_us=10**15)
    times = [json.loads(body)["ts_utc_us"] for _, body in both]
    assert times == sorted(times)
