"""A replay counts what advice is worth and shows it nothing of what comes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app._experimental.replay import GENERATED, IDLE_S, replay, replayed
from app._experimental.replay.dice import Dice
from app._experimental.replay.month import A_MONDAY, Month, listed
from app._experimental.residency import RESIDENCY
from app.domain.advice.frames import Advice, Question
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot
from tests.fakes.snapshots import GIB, model, row, snapshot

HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Says:
    """Proposes what `says` returns for a snapshot."""

    says: Callable[[Snapshot], Sequence[Proposal | Question]]
    name: str = "says"
    assumes: str = ""
    sure: str = ""

    def advise(self, facts: Snapshot) -> Advice:
        for one in self.says(facts):
            answer = yield one
            assert (answer is not None) is isinstance(one, Question)
            assert answer is None or answer.text is None


NOTHING = Says(lambda _: ())


def propose(kind: Kind, target: str) -> Proposal:
    return Proposal(kind=kind, target=target, reason="r", assumes="a", confidence=50)


def at_hours(said: Mapping[int, Sequence[Proposal]]) -> Says:
    """Proposals by the hour of the month."""
    return Says(lambda facts: said.get(facts.taken_us // HOUR_US - A_MONDAY, ()))


def month(*hours: str, budget: int = 10, **needs: int) -> Month:
    """Each letter of an hour is a request for the model of that name, a minute apart."""
    asked = [[(60 * at, letter) for at, letter in enumerate(hour)] for hour in hours]
    return Month(
        name="hand",
        seed=0,
        first_hour=A_MONDAY,
        hours=len(hours),
        budget_bytes=budget,
        needs=needs or {"a": 6, "b": 4, "c": 5},
        asked=listed(asked),
    )


def counts(report: Mapping[str, object], *names: str) -> tuple[object, ...]:
    return tuple(report[name] for name in names)


def test_without_advice_it_is_plain_lru() -> None:
    report = replayed(NOTHING, month("abc", "a", "", "a"))
    assert counts(report, "requests", "cold_starts", "cold_starts_lru") == (5, 4, 4)
    assert counts(report, "avoided_percent", "advised_loads", "hits", "wrong") == (0, 0, 0, 0)


def test_what_leaves_for_being_idle_costs_a_second_and_easier_figure() -> None:
    report = replayed(NOTHING, month("a", "", "", "a"), idle_s=IDLE_S)
    assert counts(report, "cold_starts_lru", "cold_starts_idle") == (1, 2)


def test_a_load_that_is_used_within_two_hours_is_a_hit_and_no_cold_start() -> None:
    advice = at_hours({2: [propose(Kind.LOAD, "a")]})
    report = replayed(advice, month("a", "bc", "", "a"))
    assert counts(report, "cold_starts_lru", "cold_starts", "avoided_percent") == (4, 3, 25)
    assert counts(report, "advised_loads", "hits", "wrong") == (1, 1, 0)
    assert report["hit_rate_percent"] == 100


def test_a_load_takes_room_as_a_request_would_and_is_wrong_where_it_left_unused() -> None:
    """b and c are in use; a pushes both out, and is pushed out by them before anyone asks."""
    advice = at_hours({1: [propose(Kind.LOAD, "a")]})
    report = replayed(advice, month("bc", "bc", "bc"))
    assert counts(report, "cold_starts_lru", "cold_starts", "avoided_percent") == (2, 3, -50)
    assert counts(report, "advised_loads", "hits", "wrong") == (1, 0, 1)


def test_a_load_that_is_used_much_later_is_neither_right_nor_wrong() -> None:
    advice = at_hours({0: [propose(Kind.LOAD, "a")]})
    report = replayed(advice, month("", "", "", "a"))
    assert counts(report, "cold_starts", "advised_loads", "hits", "wrong") == (0, 1, 0, 0)


def test_to_load_what_is_there_is_nothing() -> None:
    advice = at_hours({1: [propose(Kind.LOAD, "a")]})
    assert replayed(advice, month("a", "a"))["advised_loads"] == 0


def test_an_unload_is_wrong_where_the_model_has_to_be_loaded_again_within_a_day() -> None:
    advice = at_hours({1: [propose(Kind.UNLOAD, "a")]})
    soon = replayed(advice, month("a", "a"))
    late = replayed(advice, month("a", *[""] * 25, "a"))
    assert counts(soon, "advised_unloads", "wrong", "cold_starts") == (1, 1, 2)
    assert counts(late, "advised_unloads", "wrong", "cold_starts") == (1, 0, 2)


def test_room_is_made_before_it_is_taken_in_whatever_order_it_is_said() -> None:
    """The server would unload a, the older; c was chosen instead, so a is still there."""
    said = [propose(Kind.LOAD, "b"), propose(Kind.UNLOAD, "c")]
    plan = month("ac", "ba", a=5, b=5, c=5)
    assert replayed(at_hours({1: said}), plan)["cold_starts"] == 2
    assert replayed(at_hours({1: said[:1]}), plan)["cold_starts"] == 3


def test_a_pin_holds_until_it_is_taken_off() -> None:
    plan = month("a", "bc", "a", "bc", "a")
    pin, unpin = propose(Kind.PIN, "a"), propose(Kind.UNPIN, "a")
    assert replayed(NOTHING, plan)["cold_starts"] == 6
    assert replayed(at_hours({1: [pin]}), plan)["cold_starts"] == 4
    assert replayed(at_hours({1: [pin], 3: [unpin]}), plan)["cold_starts"] == 5


def test_what_has_no_effect_here_is_counted_and_a_question_gets_no_answer() -> None:
    said = [propose(Kind.DELETE, "a"), propose(Kind.LOAD, "gone"), Question("?", {})]
    report = replayed(Says(lambda _: said), month("a", "b"))
    assert counts(report, "proposals", "advised_loads") == (4, 0)
    assert report["cold_starts"] == report["cold_starts_lru"]


@given(st.lists(st.text("abc", max_size=6), max_size=30), st.integers(6, 15))
def test_advice_that_says_nothing_is_worth_nothing(hours: list[str], budget: int) -> None:
    report = replayed(NOTHING, month(*hours, budget=budget))
    assert report["cold_starts"] == report["cold_starts_lru"]
    assert report["avoided_percent"] == 0


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_in_every_month_saying_nothing_is_lru_and_lru_waits_often_enough(name: str) -> None:
    report = replay(NOTHING, month=name, seed=1)
    assert report["cold_starts"] == report["cold_starts_lru"]
    assert isinstance(report["cold_starts_lru"], int)
    assert 100 < report["cold_starts_lru"] < int(str(report["cold_starts_idle"]))


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_seed_is_a_month(name: str) -> None:
    def drawn(seed: int) -> object:
        made = GENERATED[name](seed)
        return made.needs, made.budget_bytes, [made.asked(hour) for hour in range(made.hours)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_chance_is_the_same_on_every_machine() -> None:
    dice = Dice("a seed")
    assert [dice.between(1, 6) for _ in range(8)] == [6, 6, 5, 5, 4, 6, 5, 2]


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_advice_sees_nothing_of_what_comes(name: str) -> None:
    """The same month, but from hour 60 on nobody asks: up to then it is shown the same facts."""
    seen: list[list[Snapshot]] = [[], []]
    whole = GENERATED[name](2)
    cut = replace(whole, asked=lambda hour: whole.asked(hour) if hour < 60 else [])
    for part, made in zip(seen, (whole, cut), strict=True):
        watch = Says(lambda facts, part=part: part.append(facts) or ())  # type: ignore[misc]
        replayed(watch, replace(made, hours=62))
    assert seen[0][:61] == seen[1][:61]
    assert seen[0][61] != seen[1][61] or not whole.asked(60)
    for facts in seen[0]:
        assert all(at * HOUR_US < facts.taken_us for at in facts.use.columns["hour"] if at)


def test_the_recorded_month_is_the_use_of_the_snapshot() -> None:
    facts = snapshot(
        models={"a/a": model(need_bytes=30 * GIB), "b/b": model(need_bytes=30 * GIB)},
        rows=[
            row(-30, "a/a", requests=5),
            row(-20, "b/b", requests=2),
            row(-10, "a/a", requests=1),
            row(-10, "gone/gone", requests=9),
        ],
    )
    report = replay(NOTHING, month="recorded", seed=1, snapshot=facts)
    assert counts(report, "month", "requests") == ("recorded", 8)
    assert counts(report, "cold_starts", "cold_starts_lru") == (3, 3)


def test_a_recorded_hour_of_very_many_requests_is_counted_whole() -> None:
    facts = snapshot(models={"a/a": model()}, rows=[row(-1, "a/a", requests=3_000_000)])
    report = replay(NOTHING, month="recorded", seed=1, snapshot=facts)
    assert counts(report, "requests", "cold_starts") == (3_000_000, 1)


def test_what_cannot_be_replayed_is_said() -> None:
    with pytest.raises(ValueError, match="office, rotation, none or recorded"):
        replay(NOTHING, month="may", seed=1)
    with pytest.raises(ValueError, match="none was given"):
        replay(NOTHING, month="recorded", seed=1)
    with pytest.raises(ValueError, match="no use was recorded yet"):
        replay(NOTHING, month="recorded", seed=1, snapshot=snapshot())


@pytest.mark.slow
def test_residency_saves_three_in_ten_cold_starts_of_an_office_month() -> None:
    report = replay(RESIDENCY, month="office", seed=1)
    assert int(str(report["avoided_percent"])) >= 30


def test_residency_says_nothing_in_ten_days_without_a_pattern() -> None:
    """Busy ones, so that every model is used at nearly every hour."""
    report = replayed(RESIDENCY, replace(GENERATED["none"](9), hours=240))
    assert counts(report, "proposals", "avoided_percent") == (0, 0)
