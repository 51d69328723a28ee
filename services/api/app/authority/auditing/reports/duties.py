"""The only place that judges separation of duties: each rule, met or not, and why in one sentence.

Pure: it judges what the ledger's events say. A rule that nothing on record shows to be met is not
met.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.authority.auditing.reports.access import Held, History
from app.authority.auditing.reports.shape import Column, Row
from app.domain.actors import Role

MET, NOT_MET = "met", "NOT MET"
COLUMNS: Final = (
    Column("id", "Rule"),
    Column("rule", "What it asks"),
    Column("verdict", "Verdict"),
    Column("why", "Why"),
)
NOTES: Final = (
    (
        "Judged by the ledger's events alone. Persons are the ids that keys carry: whether two ids "
        "are two human beings is for whoever named them to say."
    ),
)


class Facts(NamedTuple):
    """What the rules are judged by."""

    history: History
    confirmed_alone: int
    """Destructive acts on record that one person typed the confirmation of, without an ask."""
    cosigned: int
    """Cosignatures of witnesses on record."""
    self_approved: tuple[int, ...] = ()
    """Events in which somebody approved what the same person had asked for."""


class Judgement(NamedTuple):
    """`why` is one sentence, whatever the verdict."""

    met: bool
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A duty that ought to be apart from another."""

    id: str
    rule: str
    judge: Callable[[Facts], Judgement]


def duties_rows(facts: Facts) -> list[Row]:
    return [
        {
            "id": rule.id,
            "rule": rule.rule,
            "verdict": MET if judged.met else NOT_MET,
            "why": judged.why,
        }
        for rule in RULES
        for judged in (rule.judge(facts),)
    ]


def verdict(facts: Facts) -> str:
    """All of it in one line."""
    failed = [rule.id for rule in RULES if not rule.judge(facts).met]
    profile = facts.history.profile or "unknown"
    if not failed:
        return f"Separation of duties is met: all {len(RULES)} rules (profile `{profile}`)."
    return (
        f"Separation of duties is {NOT_MET}: {len(failed)} of {len(RULES)} rules "
        f"(profile `{profile}`)."
    )


def _approver_is_another(facts: Facts) -> Judgement:
    """As the profile that holds says; what was decided before it did is told, not judged by it."""
    many, profile = facts.confirmed_alone, facts.history.profile or "unknown"
    own = len(facts.self_approved)
    record = (
        f"{own} decisions on record are self-approved and {many} acts that need no ask were "
        "confirmed by one person alone"
    )
    if profile != "dual":
        return Judgement(
            False,
            f"The profile is `{profile}`: one person may approve what that person asks for; "
            f"{record}.",
        )
    since = [seq for seq in facts.self_approved if seq > facts.history.profile_seq]
    if since:
        return Judgement(
            False,
            f"The profile is `dual`, and yet event {since[0]} is a self-approved decision: "
            "somebody went around it.",
        )
    return Judgement(
        True,
        f"The profile is `dual` since event {facts.history.profile_seq}: who asks cannot "
        f"approve; {record}.",
    )


def _two_people(facts: Facts) -> Judgement:
    people = {
        held.person
        for held in facts.history.active
        if held.person and (held.may_be(Role.OPERATOR) or held.may_be(Role.APPROVER))
    }
    if len(people) >= 2:
        return Judgement(True, f"{len(people)} persons can operate or approve.")
    who = f"Only {people.pop()}" if people else "Nobody"
    return Judgement(False, f"{who} can operate or approve, so that no second person can agree.")


def _operator_not_approver(facts: Facts) -> Judgement:
    both = _holding_both(facts.history.active, {Role.OPERATOR}, {Role.APPROVER})
    if both:
        return Judgement(False, f"{_names(both)} can both operate and approve.")
    if not any(held.may_be(Role.APPROVER) for held in facts.history.active):
        return Judgement(False, "There is no approver at all.")
    return Judgement(True, "No person and no key can both operate and approve.")


def _auditor_is_independent(facts: Facts) -> Judgement:
    active = facts.history.active
    both = _holding_both(active, {Role.OPERATOR, Role.APPROVER}, {Role.AUDITOR})
    if both:
        return Judgement(False, f"{_names(both)} can audit what the same person does or approves.")
    if not any(held.may_be(Role.AUDITOR) for held in active):
        return Judgement(False, "There is no auditor at all.")
    return Judgement(True, "No auditor's person or key can operate or approve.")


def _given_by_another(facts: Facts) -> Judgement:
    personal = [held for held in facts.history.active if held.person is not None]
    giver_of = facts.history.giver_of
    own = [held for held in personal if giver_of(held) in {None, held.person}]
    if own:
        first = min(own, key=lambda held: held.given_seq)
        how = "the first start made" if giver_of(first) is None else "its own person made"
        return Judgement(
            False,
            f"{_names(held.key for held in own)} came from nobody but the holder: {how} "
            f"{first.key}.",
        )
    if not personal:
        return Judgement(False, "No key belongs to a person.")
    return Judgement(True, "Every person's key was made by another person.")


def _advice_cannot_act(facts: Facts) -> Judgement:
    both = [
        held.key
        for held in facts.history.active
        if held.may_be(Role.ADVISOR) and (held.may_be(Role.OPERATOR) or held.may_be(Role.APPROVER))
    ]
    if both:
        return Judgement(False, f"{_names(both)} can both advise and act.")
    return Judgement(True, "No key of an advisor can operate or approve.")


def _bots_are_bots(facts: Facts) -> Judgement:
    personal = (Role.OPERATOR, Role.APPROVER, Role.AUDITOR)
    nobodys = [
        held.key
        for held in facts.history.active
        if held.person is None and any(held.may_be(role) for role in personal)
    ]
    if nobodys:
        return Judgement(False, f"{_names(nobodys)} can operate, approve or audit for nobody.")
    return Judgement(True, "Every key that can operate, approve or audit belongs to a person.")


def _held_elsewhere(facts: Facts) -> Judgement:
    if not facts.cosigned:
        return Judgement(
            False,
            "No witness has cosigned a checkpoint, so that only those who run this server hold "
            "the record.",
        )
    return Judgement(
        True,
        f"Witnesses cosigned {facts.cosigned} times; that they are not the operator is for the "
        "reader to know.",
    )


RULES: Final = (
    Rule(
        "approver-is-another",
        "A destructive act is approved by another person than the one who asks for it.",
        _approver_is_another,
    ),
    Rule("two-people", "Two persons at least can operate or approve.", _two_people),
    Rule(
        "operator-not-approver",
        "Nobody holds the roles operator and approver.",
        _operator_not_approver,
    ),
    Rule(
        "auditor-is-independent",
        "No operator or approver holds the role auditor.",
        _auditor_is_independent,
    ),
    Rule("given-by-another", "Nobody gave the roles to themselves.", _given_by_another),
    Rule(
        "advice-cannot-act", "Whoever proposes neither operates nor approves.", _advice_cannot_act
    ),
    Rule(
        "people-are-answerable",
        "Whoever operates, approves or audits is a person.",
        _bots_are_bots,
    ),
    Rule(
        "held-elsewhere",
        "Somebody else than the operator holds evidence of the record.",
        _held_elsewhere,
    ),
)
"""Every rule, in the order in which they are shown."""


def _holding_both(held: Iterable[Held], ones: set[Role], others: set[Role]) -> list[str]:
    """Persons, or keys of nobody, that have a role of each set."""
    roles: dict[str, set[str]] = {}
    for one in held:
        roles.setdefault(one.person or f"key {one.key}", set()).update(one.roles)
    return [who for who, has in roles.items() if has & ones and has & others]


def _names(found: Iterable[str]) -> str:
    names = sorted(found)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
