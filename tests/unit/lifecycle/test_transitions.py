"""The lifecycle table is complete, closed and drawn in the documentation."""

import itertools

import pytest

from app.authority.lifecycle.transitions import (
    MEANINGS,
    TRANSITIONS,
    Cause,
    IllegalTransition,
    State,
    after,
    mermaid,
)

LEGAL = sorted(TRANSITIONS)
ILLEGAL = sorted(set(itertools.product(State, Cause)) - set(TRANSITIONS))


@pytest.mark.parametrize(("state", "cause"), LEGAL)
def test_every_legal_edge_leads_where_the_table_says(state: State, cause: Cause) -> None:
    assert after(state, cause) is TRANSITIONS[state, cause]


@pytest.mark.parametrize(("state", "cause"), ILLEGAL)
def test_every_other_edge_is_refused(state: State, cause: Cause) -> None:
    with pytest.raises(IllegalTransition):
        after(state, cause)


def test_every_state_can_be_reached_from_absent_and_left_again() -> None:
    reached = {State.ABSENT}
    while grown := {b for (a, _), b in TRANSITIONS.items() if a in reached} - reached:
        reached |= grown
    assert reached == set(State)
    assert {a for a, _ in TRANSITIONS} == set(State)


def test_every_state_is_explained() -> None:
    assert set(MEANINGS) == set(State)


def test_every_cause_is_used() -> None:
    assert {cause for _, cause in TRANSITIONS} == set(Cause)


def test_nothing_becomes_ready_except_by_loading_or_by_an_unload_that_was_not_recorded() -> None:
    into_ready = {(a, c) for (a, c), b in TRANSITIONS.items() if b is State.READY}
    assert into_ready == {(State.LOADING, Cause.LOADED), (State.DRAINING, Cause.KEPT)}


def test_a_quarantined_model_cannot_be_loaded() -> None:
    assert (State.QUARANTINED, Cause.LOAD) not in TRANSITIONS


def test_the_diagram_has_one_line_per_edge() -> None:
    assert len(mermaid().splitlines()) == len(TRANSITIONS) + 2
