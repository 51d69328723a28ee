"""How much is kept and when the same may be said again, decided by numbers alone."""

import pytest

from app.authority.advice.kept import State
from app.authority.advice.limits import (
    AN_HOUR,
    DAY_US,
    OPEN_IN_ALL,
    OPEN_OF_ONE,
    Decided,
    Taken,
    no_room,
    too_soon,
)
from app.domain.refusals import ProposalInvalid, TooManyProposals

NOW = 1_800_000_000_000_000


def decided(state: State, reason: str = "no") -> Decided:
    return Decided("0badcafe", state, NOW, reason)


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        (Taken(OPEN_IN_ALL - 1, OPEN_OF_ONE - 1, AN_HOUR - 1), None),
        (Taken(OPEN_OF_ONE, OPEN_OF_ONE, 0), str(OPEN_OF_ONE)),
        (Taken(0, 0, AN_HOUR), str(AN_HOUR)),
        (Taken(OPEN_IN_ALL, 0, 0), str(OPEN_IN_ALL)),
    ],
)
def test_there_is_room_up_to_each_limit_and_then_none(taken: Taken, says: str | None) -> None:
    refusal = no_room(taken)
    if says is None:
        assert refusal is None
    else:
        assert isinstance(refusal, TooManyProposals)
        assert refusal.message.startswith(says) or f" {says} " in refusal.message
        assert refusal.retry_after_s


@pytest.mark.parametrize(
    ("state", "quiet_us"),
    [(State.DISMISSED, 7 * DAY_US), (State.ACCEPTED, DAY_US)],
)
def test_after_a_decision_there_is_quiet_for_a_while(state: State, quiet_us: int) -> None:
    assert isinstance(too_soon(decided(state), NOW), ProposalInvalid)
    assert isinstance(too_soon(decided(state), NOW + quiet_us - 1), ProposalInvalid)
    assert too_soon(decided(state), NOW + quiet_us) is None


def test_without_a_decision_there_is_none() -> None:
    assert too_soon(None, NOW) is None


def test_a_reason_that_steers_a_terminal_is_shown_as_escapes() -> None:
    refusal = too_soon(decided(State.DISMISSED, reason="no\x1b[2J" + "a" * 400), NOW)
    assert refusal is not None
    assert refusal.message.isprintable()
    assert len(refusal.message) < 400
