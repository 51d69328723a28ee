"""The only place that says how many persons must agree to an ask, and which. Pure.

`solo`: one person with an approver's key, who may be the one who asked; that duties were apart is
then not true, and is reported as not met. `dual`: of each group as many distinct persons as its
quorum, none of them the one who asked. Persons count, never keys, and each counts for one group
only: who is in two groups cannot speak for both. One no ends it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from app.authority.keys.person import is_id
from app.domain.refusals import Forbidden, InvalidRequest, QuorumImpossible, SelfApproval

TYPE: Final = "lmx-authority/approval-profile/v1"
MAX_GROUPS: Final = 8
MAX_PERSONS: Final = 64
MAX_NAME: Final = 64
_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_NAME - 1}}}", re.ASCII)
APPROVE: Final = "approve"


class ProfileKind(StrEnum):
    """How approvals are given."""

    SOLO = "solo"
    DUAL = "dual"


@dataclass(frozen=True, slots=True)
class Group:
    """Persons by id, of whom `quorum` must approve."""

    name: str
    persons: frozenset[str]
    quorum: int

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "persons": sorted(self.persons), "quorum": self.quorum}


@dataclass(frozen=True, slots=True)
class Profile:
    """How approvals are given, as of `version`; 0 is what holds before anybody said anything."""

    kind: ProfileKind
    groups: tuple[Group, ...] = ()
    version: int = 0

    @property
    def needed(self) -> int:
        """How many persons have to approve."""
        return sum(group.quorum for group in self.groups) or 1

    @property
    def persons(self) -> frozenset[str]:
        """Everybody in a group."""
        return frozenset().union(*(group.persons for group in self.groups))

    def as_dict(self) -> dict[str, Any]:
        return {
            "type": TYPE,
            "kind": str(self.kind),
            "groups": [group.as_dict() for group in self.groups],
            "version": self.version,
        }

    @property
    def bytes(self) -> bytes:
        """The document: RFC 8785 JSON. Who is in a group is sorted, and so are the groups."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_SORT_KEYS)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.bytes).hexdigest()


SOLO: Final = Profile(ProfileKind.SOLO)


@dataclass(frozen=True, slots=True)
class Given:
    """What a person decided: `approve`, `reject` or `veto`."""

    person: str
    decision: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an ask stands. `missing`: one sentence for each thing that it still waits for.

    `self_approved`: nobody but the one who asked has approved, so that duties were not apart.
    """

    met: bool
    missing: tuple[str, ...]
    self_approved: bool


# --- what people write ------------------------------------------------------------------------


def profile_of(kind: object, groups: object, *, version: int = 0) -> Profile:
    """The profile that plain JSON asks for, or InvalidRequest.

    `groups`: ``[{"name", "persons": [person id], "quorum"}]``; none for `solo`, one at least for
    `dual`.
    """
    if kind not in tuple(ProfileKind):
        raise InvalidRequest("A profile's kind is solo or dual.", param="kind")
    if not isinstance(groups, Sequence) or isinstance(groups, str) or len(groups) > MAX_GROUPS:
        raise InvalidRequest(f"Give a list of at most {MAX_GROUPS} groups.", param="groups")
    parsed = sorted((_group(group) for group in groups), key=lambda group: group.name)
    if len({group.name for group in parsed}) != len(parsed):
        raise InvalidRequest("Two groups have the same name.", param="groups")
    profile = Profile(ProfileKind(str(kind)), tuple(parsed), version)
    if (profile.kind is ProfileKind.DUAL) != bool(parsed):
        raise InvalidRequest(
            "A dual profile has at least one group of persons; a solo one has none.", param="groups"
        )
    return profile


def parse(content: bytes) -> Profile:
    """The profile whose bytes these are; ValueError when they are not a profile's."""
    try:
        body = orjson.loads(content)
        found = profile_of(body["kind"], body["groups"], version=body["version"])
    except (InvalidRequest, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise ValueError("these are not the bytes of an approval profile") from error
    if found.bytes != content:
        raise ValueError("these are not the canonical bytes of an approval profile")
    return found


def refuse_impossible(profile: Profile, approvers: frozenset[str]) -> None:
    """Raise QuorumImpossible unless the rule can be met whoever asks.

    `approvers`: persons who hold an active approver's key now.
    """
    if profile.kind is ProfileKind.SOLO:
        if not approvers:
            raise QuorumImpossible(
                "Nobody holds an approver's key, so that nothing could ever be approved. "
                "Create one for a person first."
            )
        return
    for asker in (None, *sorted(profile.persons)):
        eligible = approvers - {asker} if asker else approvers
        for group, short in _unmet(profile.groups, eligible):
            who = f"when {asker} asks" if asker else "whoever asks"
            raise QuorumImpossible(
                f"Group {group.name} asks for {_persons(group.quorum)} and could be short of "
                f"{short} {who}: only persons with an active approver's key count, who asks does "
                "not, and each counts for one group. Name more persons or ask for fewer.",
                details={"group": group.name, "short": short},
            )


def is_looser(old: Profile, new: Profile) -> bool:
    """Whether `new` could let pass what `old` stops. What is not provably as tight is looser.

    As tight: every group is still there under its name, asks for no fewer and trusts nobody more.
    """
    if old.kind is ProfileKind.SOLO:
        return False
    after = {group.name: group for group in new.groups}
    return not all(
        group.name in after
        and after[group.name].quorum >= group.quorum
        and after[group.name].persons <= group.persons
        for group in old.groups
    )


# --- what persons decided ---------------------------------------------------------------------


def standing(
    profile: Profile,
    *,
    asker_person: str | None,
    approvals: Sequence[Given],
    approvers: frozenset[str],
) -> Standing:
    """Whether `approvals` are enough, in whatever order they came.

    `approvers`: persons who hold an active approver's key now; nobody else's approval counts, while
    a no counts whoever said it. `asker_person` is None only where no person answers for who asked.
    """
    against = sorted({given.person for given in approvals if given.decision != APPROVE})
    said_yes = {given.person for given in approvals if given.decision == APPROVE} & approvers
    self_approved = bool(said_yes) and said_yes <= {asker_person}
    if against:
        return Standing(False, (f"{', '.join(against)} said no",), self_approved)
    if profile.kind is ProfileKind.SOLO:
        nobody = () if said_yes else ("1 person with an approver's key",)
        return Standing(bool(said_yes), tuple(nobody), self_approved)
    unmet = _unmet(profile.groups, said_yes - {asker_person})
    missing = tuple(f"{_persons(short)} more of {group.name}" for group, short in unmet)
    return Standing(bool(profile.groups) and not missing, missing, self_approved)


def refuse_decider(
    profile: Profile, *, asker_person: str | None, person: str | None, decision: str = APPROVE
) -> None:
    """Raise unless this person's decision can count; saying no is anybody's right.

    SelfApproval for who asked, through whichever key; Forbidden for who is in no group.
    """
    if profile.kind is ProfileKind.SOLO or decision != APPROVE:
        return
    if person is not None and person == asker_person:
        raise SelfApproval(
            "You asked for this, so that another person has to approve it: the profile is dual, "
            "and another key of yours is still you."
        )
    if person not in profile.persons:
        who = person or "The holder of this key"
        raise Forbidden(
            f"{who} is in no group of the approval profile, so that this approval would not "
            "count. `lmx approvals profile` shows who is.",
            details={"person": person},
        )


# --- each person counts for one group -----------------------------------------------------------


def _unmet(groups: Sequence[Group], persons: Iterable[str]) -> list[tuple[Group, int]]:
    """The groups that are short, and by how many, when persons are shared out as well as can be.

    A matching of persons to the groups' places: where nobody is free for a place, somebody who
    holds another one moves if a third can take that over (an augmenting path).
    """
    present = sorted(persons)
    place_of: dict[str, int] = {}  # person -> index of the group it counts for

    def seat(index: int, tried: set[str]) -> bool:
        for person in present:
            if person not in groups[index].persons or person in tried:
                continue
            tried.add(person)
            held = place_of.get(person)
            if held is None or (held != index and seat(held, tried)):
                place_of[person] = index
                return True
        return False

    short = []
    for index, group in enumerate(groups):
        filled = 0
        while filled < group.quorum and seat(index, set()):
            filled += 1
        if filled < group.quorum:
            short.append((group, group.quorum - filled))
    return short


def _group(given: object) -> Group:
    if not isinstance(given, Mapping) or given.keys() != {"name", "persons", "quorum"}:
        raise InvalidRequest("A group has a name, persons and a quorum.", param="groups")
    name, persons, quorum = given["name"], given["persons"], given["quorum"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"A group's name is 1 to {MAX_NAME} characters of a-z, 0-9 and -.", param="groups"
        )
    if (
        not isinstance(persons, list | tuple)
        or not 1 <= len(persons) <= MAX_PERSONS
        or not all(isinstance(person, str) and is_id(person) for person in persons)
    ):
        raise InvalidRequest("A group's persons are ids (p-...), at least one.", param="groups")
    if len(set(persons)) != len(persons):
        raise InvalidRequest(f"Group {name} names a person twice.", param="groups")
    if type(quorum) is not int or quorum < 1:
        raise InvalidRequest("A quorum is a whole number, 1 at least.", param="groups")
    if quorum > len(persons):
        raise QuorumImpossible(
            f"Group {name} has {_persons(len(persons))} and asks for {quorum}: nobody could ever "
            "meet that.",
            details={"group": name, "short": quorum - len(persons)},
        )
    return Group(name, frozenset(persons), quorum)


def _persons(count: int) -> str:
    return "1 person" if count == 1 else f"{count} persons"
