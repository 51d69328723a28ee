"""The memory of a replay, by traces worked out by hand, and against the server's own rule."""

from hypothesis import given
from hypothesis import strategies as st

from app._experimental.replay.memory import Memory
from app.authority.lifecycle.eviction import Resident, choose_evictions

NEEDS = {"a": 6, "b": 4, "c": 5, "d": 1}


def trace(memory: Memory, models: str) -> str:
    """For each request `.` where the model was there, `x` where it had to be loaded."""
    return "".join(".x"[not memory.use(model, at)] for at, model in enumerate(models))


def test_a_model_that_is_there_is_not_loaded_again() -> None:
    assert trace(Memory(NEEDS, 10), "abab") == "xx.."


def test_what_was_used_longest_ago_makes_room() -> None:
    """a and b fill ten; c needs five, so a goes, not b; then a pushes b and c out."""
    memory = Memory(NEEDS, 10)
    assert trace(memory, "abcb") == "xxx."
    assert list(memory.used_at) == ["c", "b"]
    assert memory.free_bytes == 1
    assert trace(memory, "a") == "x"
    assert list(memory.used_at) == ["b", "a"], "c was enough"
    assert memory.evictions == {"a": 1, "c": 1}


def test_what_turns_out_not_to_be_in_the_way_stays() -> None:
    """d is the oldest, but its one byte does not help: without c there is room enough."""
    memory = Memory({**NEEDS, "e": 5}, 6)
    assert trace(memory, "dce") == "xxx"
    assert set(memory.used_at) == {"d", "e"}


def test_what_is_pinned_stays_and_where_it_leaves_no_room_nothing_is_unloaded() -> None:
    memory = Memory(NEEDS, 10)
    memory.pinned = {"a"}
    assert trace(memory, "abcc") == "xxxx", "beside a only b or d fit"
    assert set(memory.used_at) == {"a", "b"}
    assert not memory.load("c", 9)


def test_what_was_not_used_for_long_enough_has_left() -> None:
    memory = Memory(NEEDS, 10, idle_s=60)
    assert [memory.use("a", at) for at in (0, 59, 118, 178)] == [False, True, True, False]


def test_a_pinned_model_never_leaves_for_being_idle() -> None:
    memory = Memory(NEEDS, 10, idle_s=60)
    memory.pinned = {"a"}
    assert [memory.use("a", at) for at in (0, 1_000)] == [False, True]


@given(
    needs=st.lists(st.integers(1, 9), min_size=2, max_size=7),
    order=st.lists(st.integers(0, 6), max_size=20),
    pinned=st.sets(st.integers(0, 6), max_size=2),
    budget=st.integers(4, 20),
)
def test_it_unloads_what_the_server_would(
    needs: list[int], order: list[int], pinned: set[int], budget: int
) -> None:
    names = {str(number): need for number, need in enumerate(needs)}
    memory = Memory(names, budget)
    memory.pinned = {str(number) for number in pinned}
    for at, number in enumerate(order):
        model = str(number % len(needs))
        before = dict(memory.used_at)
        residents = [
            Resident(
                model_id=one,
                last_used=used,
                in_flight=0,
                pinned=one in memory.pinned,
                resident_bytes=0,
                promised_bytes=names[one],
            )
            for one, used in before.items()
        ]
        expected = choose_evictions(names[model] - memory.free_bytes, residents)
        was_there = memory.use(model, at)
        assert was_there is (model in before)
        assert memory.free_bytes == budget - sum(names[one] for one in memory.used_at) >= 0
        if not was_there:
            gone = set(before) - set(memory.used_at)
            assert gone == set(expected.model_ids if expected else ())
            assert (model in memory.used_at) is (expected is not None)
