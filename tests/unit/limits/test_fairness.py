"""Who is let in to a model next, and who has to wait for how many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.lifecycle.queueing import Line, Turn
from app.authority.lifecycle.residency import Held
from app.domain.refusals import QueueFull


def joined(line: Line, order: list[str], key: str, count: int, *, slots: int = 2) -> list[Turn]:
    return [
        line.join(key, 1, slots=slots, now=0, let_in=lambda: order.append(key))
        for _ in range(count)
    ]


def test_another_keys_only_request_waits_for_one_place_and_not_for_sixty() -> None:
    line, order = Line(), list[str]()
    bots = joined(line, order, "bot", 60)
    assert order == ["bot"] * 4
    joined(line, order, "person", 1)
    line.leave(bots[0], 1)
    assert order == ["bot"] * 4 + ["person"]


def test_keys_take_turns() -> None:
    line, order = Line(), list[str]()
    at_work = joined(line, order, "a", 4)
    for key in "abc":
        joined(line, order, key, 6)
    for turn in at_work:
        line.leave(turn, 1)
    assert sorted(order[4:]) == ["a", "b", "b", "c"] or sorted(order[4:]) == ["a", "b", "c", "c"]


def test_one_key_alone_has_all_the_places_and_keeps_its_order() -> None:
    line, order = Line(), list[str]()
    turns = joined(line, order, "a", 10)
    assert [turn.is_in for turn in turns] == [True] * 4 + [False] * 6
    for turn in turns:
        line.leave(turn, 1)
    assert len(order) == 10


def test_who_is_turned_away_is_told_and_those_at_the_worker_end_as_ever() -> None:
    line, order = Line(), list[str]()
    turns = joined(line, order, "a", 5) + joined(line, order, "b", 2)
    line.turn_away(lambda: QueueFull("Ask again."), 2)
    assert [turn.refused is None for turn in turns] == [True] * 4 + [False] * 3
    assert len({id(turn.refused) for turn in turns[4:]}) == 3
    assert (len(order), line.waiting, turns[6].waited_ms) == (7, 0, 2000)
    for turn in turns:
        line.leave(turn, 3)
    assert not line._at_worker
    assert joined(line, order, "b", 1)[0].is_in


def test_who_leaves_the_line_is_gone_at_once() -> None:
    line, order = Line(), list[str]()
    turns = joined(line, order, "a", 6)
    line.leave(turns[5], 3)
    assert turns[5].waited_ms == 3000
    assert line.waiting == 1
    line.leave(turns[4], 3)
    assert line.waiting == 0
    for turn in turns[:4]:
        line.leave(turn, 4)
    assert order == ["a"] * 4
    assert not line._at_worker
    assert line._running == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), max_size=60), st.data())
def test_whatever_comes_and_goes_nobody_is_left_behind(
    comes: list[tuple[str, int]], data: st.DataObject
) -> None:
    line, here = Line(), list[Turn]()
    for at, (key, sequences) in enumerate(comes):
        here.append(line.join(key, sequences, slots=2, now=at))
        if data.draw(st.booleans()):
            line.leave(here.pop(data.draw(st.integers(0, len(here) - 1))), at)
        assert line.waiting == sum(turn.sequences for turn in here if not turn.is_in)
        let_in = sum(turn.sequences for turn in here if turn.is_in)
        assert let_in >= 4 or all(turn.is_in for turn in here)
        assert let_in <= 4 + 2
        assert all(turn.is_in for turn in here if turn.began is not None)
    for turn in here:
        line.leave(turn, 100)
    assert (line._running, line._at_worker, line._lanes, len(line._next)) == (0, {}, {}, 0)


def test_a_key_that_has_filled_the_queue_does_not_keep_another_out() -> None:
    held = Held("m")
    for _ in range(6):
        held.enter("bot", 1, slots=2, queue_limit=4)
    with pytest.raises(QueueFull):
        held.enter("bot", 1, slots=2, queue_limit=4)
    held.enter("person", 1, slots=2, queue_limit=4)
    with pytest.raises(QueueFull):
        held.enter("person", 1, slots=2, queue_limit=4)
    held.leave("person", waiting=1, now=0)
    assert held.users == {"bot": 6}


def test_where_nobody_may_wait_nobody_does() -> None:
    held = Held("m")
    held.enter("bot", 2, slots=2, queue_limit=0)
    with pytest.raises(QueueFull):
        held.enter("person", 1, slots=2, queue_limit=0)
