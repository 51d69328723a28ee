"""Whose word is enough, and whose never is."""

from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.authority.approvals.profiles import (
    SOLO,
    Given,
    Group,
    Profile,
    ProfileKind,
    is_looser,
    parse,
    profile_of,
    refuse_decider,
    refuse_impossible,
    standing,
)
from app.domain.refusals import Forbidden, InvalidRequest, QuorumImpossible, SelfApproval

A, B, C, D = (f"p-{letter * 8}" for letter in "abcd")
PEOPLE = (A, B, C, D)


def dual(*groups: tuple[str, set[str], int]) -> Profile:
    made = tuple(Group(name, frozenset(persons), quorum) for name, persons, quorum in groups)
    return Profile(ProfileKind.DUAL, made, 1)


def yes(*persons: str) -> list[Given]:
    return [Given(person, "approve") for person in persons]


def met(
    profile: Profile, said: list[Given], *, asker: str | None = A, approvers: Any = PEOPLE
) -> bool:
    return standing(profile, asker_person=asker, approvals=said, approvers=frozenset(approvers)).met


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    groups = []
    for number in range(draw(st.integers(1, 3))):
        persons = draw(st.sets(st.sampled_from(PEOPLE), min_size=1))
        groups.append((f"g{number}", persons, draw(st.integers(1, len(persons)))))
    return dual(*groups)


def shared_out(profile: Profile, persons: frozenset[str]) -> bool:
    """Whether the persons can be shared out over all places, found by trying every way."""
    places = [group for group in profile.groups for _ in range(group.quorum)]
    return any(
        all(person in group.persons for person, group in zip(chosen, places, strict=True))
        for chosen in permutations(sorted(persons), len(places))
    )


# --- one person ---------------------------------------------------------------------------------


def test_alone_one_may_approve_what_one_asked_and_that_is_said() -> None:
    found = standing(SOLO, asker_person=A, approvals=yes(A), approvers=frozenset({A}))
    assert (found.met, found.missing, found.self_approved) == (True, (), True)
    refuse_decider(SOLO, asker_person=A, person=A)


def test_another_persons_word_is_no_self_approval() -> None:
    for said in (yes(B), yes(A, B)):
        found = standing(SOLO, asker_person=A, approvals=said, approvers=frozenset(PEOPLE))
        assert (found.met, found.self_approved) == (True, False)


def test_nothing_is_approved_by_nobody_or_by_one_who_may_not_any_more() -> None:
    assert not met(SOLO, [])
    assert not met(SOLO, yes(A), approvers=())
    assert not met(dual(("g", {B, C}, 1)), yes(B), approvers={A, C})


@pytest.mark.parametrize("decision", ["reject", "veto"])
@pytest.mark.parametrize("profile", [SOLO, dual(("g", {B, C, D}, 1))])
def test_one_no_outweighs_every_yes(profile: Profile, decision: str) -> None:
    against = Given(D, decision)
    assert met(profile, yes(B, C))
    assert not met(profile, [*yes(B, C), against])
    assert not met(profile, [*yes(B, C), against], approvers={A, B, C})


# --- several --------------------------------------------------------------------------------------


@given(profiles(), st.integers(1, 5))
def test_who_asked_never_suffices_however_often(profile: Profile, times: int) -> None:
    assert not met(profile, yes(A) * times)


@given(profiles(), st.lists(st.sampled_from(PEOPLE)), st.sampled_from(PEOPLE))
def test_the_one_who_asked_adds_nothing(profile: Profile, said: list[str], asker: str) -> None:
    others = [person for person in said if person != asker]
    assert met(profile, yes(*said), asker=asker) is met(profile, yes(*others), asker=asker)


@given(profiles(), st.lists(st.sampled_from(PEOPLE)))
def test_a_person_with_two_keys_counts_once(profile: Profile, said: list[str]) -> None:
    assert met(profile, yes(*said)) is met(profile, yes(*set(said)))


@given(profiles(), st.lists(st.sampled_from(PEOPLE)), st.randoms())
def test_the_order_in_which_they_speak_is_nothing(
    profile: Profile, said: list[str], random: Any
) -> None:
    def found(order: list[str]) -> Any:
        return standing(profile, asker_person=A, approvals=yes(*order), approvers=frozenset(PEOPLE))

    other = list(said)
    random.shuffle(other)
    assert found(said) == found(other)


@settings(max_examples=120)
@given(profiles(), st.sets(st.sampled_from(PEOPLE)), st.sampled_from([None, *PEOPLE]))
@example(dual(("g0", {A, B}, 1), ("g1", {A}, 1)), {A, B}, None)
@example(dual(("g0", {A, B, C}, 2), ("g1", {A, B}, 1)), {A, B, C}, None)
def test_enough_is_what_trying_every_way_finds(
    profile: Profile, said: set[str], asker: str | None
) -> None:
    assert met(profile, yes(*said), asker=asker) is shared_out(profile, frozenset(said) - {asker})


def test_one_person_does_not_speak_for_two_groups() -> None:
    profile = dual(("engineers", {B, C}, 1), ("safety", {B, D}, 1))
    assert not met(profile, yes(B))
    found = standing(profile, asker_person=A, approvals=yes(B), approvers=frozenset(PEOPLE))
    assert found.missing == ("1 person more of safety",)
    assert met(profile, yes(B, C))
    assert met(profile, yes(B, D))


def test_another_key_of_the_one_who_asked_is_that_person() -> None:
    profile = dual(("g", {A, B, C}, 1))
    with pytest.raises(SelfApproval, match="another key of yours is still you"):
        refuse_decider(profile, asker_person=A, person=A)
    refuse_decider(profile, asker_person=A, person=B)
    refuse_decider(profile, asker_person=A, person=A, decision="reject")


def test_who_is_in_no_group_is_told_before_anything_is_written() -> None:
    profile = dual(("g", {A, B}, 1))
    with pytest.raises(Forbidden, match="in no group"):
        refuse_decider(profile, asker_person=A, person=C)
    refuse_decider(profile, asker_person=A, person=C, decision="veto")


# --- rules that nobody could meet -----------------------------------------------------------------


@given(profiles(), st.sets(st.sampled_from(PEOPLE)))
def test_a_rule_is_saved_exactly_when_it_can_be_met_whoever_asks(
    profile: Profile, approvers: set[str]
) -> None:
    holders = frozenset(approvers)
    always = all(shared_out(profile, holders - {asker}) for asker in (None, *PEOPLE))
    if always:
        refuse_impossible(profile, holders)
        for asker in (None, *PEOPLE):
            assert met(profile, yes(*holders), asker=asker, approvers=holders)
    else:
        with pytest.raises(QuorumImpossible):
            refuse_impossible(profile, holders)


@pytest.mark.parametrize(
    "profile",
    [
        dual(("g", {A}, 1)),
        dual(("g", {A, B}, 2)),
        dual(("g", {A, B}, 1), ("h", {A, B}, 1)),
        dual(("g", {A, B, C}, 1), ("h", {A}, 1)),
    ],
)
def test_a_quorum_that_one_who_asks_makes_impossible_is_refused(profile: Profile) -> None:
    with pytest.raises(QuorumImpossible, match="Name more persons or ask for fewer"):
        refuse_impossible(profile, frozenset(PEOPLE))


def test_where_nobody_can_approve_not_even_solo_can_be_met() -> None:
    with pytest.raises(QuorumImpossible, match="Nobody holds an approver's key"):
        refuse_impossible(SOLO, frozenset())


# --- tighter and looser ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "looser"),
    [
        (dual(("g", {A, B, C}, 2)), False),
        (dual(("g", {A, B, C}, 3)), False),
        (dual(("g", {A, B}, 2)), False),
        (dual(("g", {A, B, C}, 2), ("h", {D}, 1)), False),
        (SOLO, True),
        (dual(("g", {A, B, C}, 1)), True),
        (dual(("g", {A, B, C, D}, 2)), True),
        (dual(("g", {A, B, D}, 2)), True),
        (dual(("h", {A, B, C}, 2)), True),
    ],
)
def test_what_is_not_provably_as_tight_is_looser(new: Profile, looser: bool) -> None:
    assert is_looser(dual(("g", {A, B, C}, 2)), new) is looser
    assert not is_looser(SOLO, new)


@st.composite
def changed(draw: st.DrawFn) -> tuple[Profile, Profile]:
    """A profile, and the same with quorums raised or lowered, persons left out, groups added."""
    old = draw(profiles())
    groups = []
    for group in (*old.groups, *draw(profiles()).groups[len(old.groups) :]):
        persons = draw(st.sets(st.sampled_from(sorted(group.persons)), min_size=1))
        quorum = draw(st.integers(max(1, min(group.quorum, len(persons)) - 1), len(persons)))
        groups.append((group.name, persons, quorum))
    return old, dual(*groups)


@settings(max_examples=100)
@given(changed())
def test_whatever_a_tighter_profile_lets_pass_the_old_one_did_too(
    pair: tuple[Profile, Profile],
) -> None:
    old, new = pair
    if is_looser(old, new):
        return
    for asker in (None, *PEOPLE):
        for count in range(len(PEOPLE) + 1):
            for said in combinations(PEOPLE, count):
                if met(new, yes(*said), asker=asker):
                    assert met(old, yes(*said), asker=asker)


# --- documents ------------------------------------------------------------------------------------


@given(profiles())
def test_a_profile_is_its_bytes(profile: Profile) -> None:
    assert parse(profile.bytes) == profile
    assert parse(SOLO.bytes) == SOLO


def test_the_bytes_do_not_depend_on_the_order_that_was_given() -> None:
    one = {"name": "a", "persons": [A, B], "quorum": 1}
    two = {"name": "b", "persons": [C, D], "quorum": 1}
    turned = [{"quorum": 1, "persons": [D, C], "name": "b"}, {**one, "persons": [B, A]}]
    assert profile_of("dual", [one, two]).bytes == profile_of("dual", turned).bytes


@pytest.mark.parametrize(
    ("content", "edit"),
    [(dual(("g", {A, B}, 1)).bytes, edit) for edit in (b'"quorum":2', b'"quorum":1.0', b'"q":1')],
)
def test_other_bytes_are_not_a_profile(content: bytes, edit: bytes) -> None:
    changed = content.replace(b'"quorum":1', edit)
    assert changed != content
    found = None
    try:
        found = parse(changed)
    except (ValueError, QuorumImpossible):
        return
    assert found.bytes == changed != content  # another profile, never this one


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("triple", []),
        (None, []),
        ("dual", []),
        ("dual", None),
        ("dual", "groups"),
        ("solo", [{"name": "g", "persons": [A], "quorum": 1}]),
        ("dual", [{"name": "g", "persons": [A], "quorum": 0}]),
        ("dual", [{"name": "g", "persons": [A], "quorum": True}]),
        ("dual", [{"name": "g", "persons": [A], "quorum": 1.0}]),
        ("dual", [{"name": "g", "persons": [], "quorum": 1}]),
        ("dual", [{"name": "g", "persons": [A, A], "quorum": 2}]),
        ("dual", [{"name": "g", "persons": ["key:12345678"], "quorum": 1}]),
        ("dual", [{"name": "g", "persons": A, "quorum": 1}]),
        ("dual", [{"name": "G\u202e", "persons": [A], "quorum": 1}]),
        ("dual", [{"name": "g", "persons": [A], "quorum": 1, "also": 1}]),
        ("dual", [{"name": "g", "persons": [A], "quorum": 1}] * 2),
        ("dual", [["g", [A], 1]]),
        ("dual", [{"name": f"g{i}", "persons": [A], "quorum": 1} for i in range(9)]),
    ],
)
def test_what_is_no_profile_is_refused(kind: object, groups: object) -> None:
    with pytest.raises(InvalidRequest):
        profile_of(kind, groups)


def test_more_than_there_are_is_refused_at_once() -> None:
    with pytest.raises(QuorumImpossible):
        profile_of("dual", [{"name": "g", "persons": [A, B], "quorum": 3}])
