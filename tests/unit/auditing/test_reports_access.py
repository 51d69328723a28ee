"""Who may do what, by the ledger's own events; and whether duties are separated, honestly."""

from dataclasses import replace

import pytest

from app.authority.auditing.reports.access import Held, History, differences
from app.authority.auditing.reports.duties import RULES, Facts, duties_rows, verdict
from app.authority.keys import Key
from app.authority.ledger import LedgerEvent
from app.authority.ledger.lifetime import signing_key_rotated_event
from app.authority.permissions import Permission, grant
from app.domain.actors import Role
from app.evidence.vocabulary import Kind
from tests.fakes.database import foreign_connection
from tests.fakes.installation import Installed

AGREES = "The key table says what the ledger's events say."


async def test_access_is_told_by_events_with_who_gave_and_who_ended_it(
    installed: Installed,
) -> None:
    installed.clock.advance(60)
    bot = installed.key_of("client", name="bot")
    installed.clock.advance(60)
    key = installed.revoke(bot)
    answer = await installed.whole("access", limit=1)
    first, second = answer["rows"]
    assert first["roles"] == ["approver", "auditor", "client", "operator"]
    assert (first["given_by"], first["given_seq"], first["state"]) == ("system", 1, "active")
    assert first["person"] == installed.operator.person
    assert (second["key"], second["name"], second["roles"]) == (key, "bot", ["client"])
    assert (second["given_by"], second["person"]) == (installed.operator.id, None)
    assert (second["state"], second["taken_by"]) == ("revoked", installed.operator.id)
    assert second["until"] - second["since"] == 60_000_000
    assert answer["meta"]["findings"] == []
    assert answer["meta"]["verdict"] == AGREES
    roles, people = answer["meta"]["tables"]
    may = {row["role"]: row["may"] for row in roles["rows"]}
    assert "ledger.read" in may["auditor"]
    assert "keys.manage" not in may["auditor"]
    assert may["(no key)"] == ["infer", "model.load_jit", "models.read"]
    (person,) = people["rows"]
    assert person["keys"] == [installed.operator.id.removeprefix("key:")]


async def test_access_is_shown_as_it_was_and_an_erased_name_is_told(installed: Installed) -> None:
    installed.revoke(installed.key_of("client", name="early"))
    installed.clock.advance(86_400 * 2)
    installed.key_of("client", name="late")
    person = str(installed.operator.person)
    may = grant(installed.operator, Permission.PERSON_ERASE)
    installed.people.erase_name(may, person, f"yes, erase the name of {person}")
    until = await installed.read("access", until="2027-01-15")
    assert [row["name"] for row in until["rows"]] == ["operator", "early"]
    assert until["meta"]["findings"] == []
    since = await installed.read("access", since="2027-01-16")
    assert [row["name"] for row in since["rows"]] == ["operator", "late"]
    assert since["meta"]["tables"][1]["rows"][0]["erased"] is not None


@pytest.mark.parametrize(
    ("vandalism", "finding"),
    [
        ("UPDATE access_key SET roles = 'client,operator' WHERE name = 'bot'", "its roles"),
        ("UPDATE access_key SET name = 'else' WHERE name = 'bot'", "its name"),
        ("UPDATE access_key SET created_by = 'key:1' WHERE name = 'bot'", "its maker"),
        ("UPDATE access_key SET created_us = 1 WHERE name = 'bot'", "at another time"),
        ("UPDATE access_key SET revoked_us = 1 WHERE name = 'bot'", "no event says so"),
        ("DELETE FROM access_key WHERE name = 'bot'", "is not in the key table"),
        (
            (
                "INSERT INTO access_key (id, name, roles, secret_sha256, created_us, created_by) "
                "VALUES ('ffffffff', 'x', 'operator', zeroblob(32), 1, 'system')"
            ),
            "no event says that it was made",
        ),
    ],
)
async def test_a_key_table_that_was_changed_by_other_means_is_a_finding(
    installed: Installed, vandalism: str, finding: str
) -> None:
    installed.key_of("client", name="bot")
    raw = foreign_connection(installed.path)
    for (trigger,) in raw.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        raw.execute(f"DROP TRIGGER {trigger}")
    raw.execute(vandalism)
    keys = type(installed.keys)(installed.ledger, installed.engine, installed.clock)
    changed = type(installed.reports)(
        installed.ledger,
        installed.reports.note_read,
        keys,
        installed.clock,
        installed.reports.access,
    )
    answer = await changed.report(installed.operator, "access")
    assert any(finding in one for one in answer["meta"]["findings"]), answer["meta"]["findings"]
    assert "differ" in answer["meta"]["verdict"]


def held(
    key: str, *roles: str, person: str | None, giver: str | None = "p-9", seq: int = 1
) -> Held:
    return Held(key, key, tuple(sorted(roles)), person, 0, f"key:of-{giver}", giver, seq)


def facts(
    *keys: Held, cosigned: int = 0, profile: str = "dual", self_approved: tuple[int, ...] = ()
) -> Facts:
    history = History(profile=profile, profile_seq=10, keys={one.key: one for one in keys})
    return Facts(history, 0, cosigned, self_approved)


def judged(found: Facts) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["verdict"], row["why"]) for row in duties_rows(found)}


async def test_solo_is_not_met_and_every_rule_says_why_in_one_sentence(
    installed: Installed,
) -> None:
    installed.revoke(installed.key_of("client"))  # by a warrant: not confirmed alone
    installed.ledger.append(signing_key_rotated_event(installed.operator, old="a", new="b"))
    answer = await installed.read("duties")
    found = {row["id"]: row for row in answer["rows"]}
    assert list(found) == [rule.id for rule in RULES]
    assert answer["meta"]["verdict"] == (
        "Separation of duties is NOT MET: 6 of 8 rules (profile `solo`)."
    )
    met = {name for name, row in found.items() if row["verdict"] == "met"}
    assert met == {"advice-cannot-act", "people-are-answerable"}
    person = str(installed.operator.person)
    assert person in found["operator-not-approver"]["why"]
    assert person in found["auditor-is-independent"]["why"]
    why = found["approver-is-another"]["why"]
    assert "`solo`: one person may approve" in why
    assert "0 decisions on record are self-approved and 1 acts that need no ask" in why
    assert "the first start made" in found["given-by-another"]["why"]
    for row in answer["rows"]:
        assert row["why"].endswith(".")
        assert ". " not in row["why"]


def test_duties_that_are_apart_are_met_as_far_as_the_record_shows() -> None:
    apart = facts(
        held("1", "operator", person="p-1"),
        held("2", "approver", person="p-2"),
        held("3", "auditor", person="p-3"),
        held("4", "advisor", person=None),
        cosigned=2,
    )
    found = judged(apart)
    assert {said for said, _ in found.values()} == {"met"}
    assert verdict(apart) == "Separation of duties is met: all 8 rules (profile `dual`)."


@pytest.mark.parametrize(
    ("profile", "self_approved", "said", "why"),
    [
        ("solo", (), "NOT MET", "one person may approve what that person asks for"),
        ("solo", (4, 7), "NOT MET", "2 decisions on record are self-approved"),
        ("dual", (), "met", "since event 10: who asks cannot approve"),
        ("dual", (4, 7), "met", "2 decisions on record are self-approved"),
        ("dual", (4, 11), "NOT MET", "event 11 is a self-approved decision"),
        ("anything", (), "NOT MET", "The profile is `anything`"),
    ],
)
def test_that_the_approver_is_another_is_what_the_profile_and_the_decisions_say(
    profile: str, self_approved: tuple[int, ...], said: str, why: str
) -> None:
    found = judged(facts(profile=profile, self_approved=self_approved))["approver-is-another"]
    assert found[0] == said
    assert why in found[1]


async def test_the_profile_is_the_one_that_was_recorded_last(installed: Installed) -> None:
    data = {"profile": "dual", "version": 1, "profile_digest": "a" * 64}
    event = LedgerEvent(Kind.PROFILE_CHANGED, installed.operator, outcome="done", data=data)
    seq = installed.ledger.append(event).seq
    answer = await installed.read("duties")
    found = {row["id"]: row for row in answer["rows"]}["approver-is-another"]
    assert (found["verdict"], f"since event {seq}" in found["why"]) == ("met", True)


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("two-people", [held("1", "operator", person="p-1"), held("2", "approver", person="p-1")]),
        ("two-people", []),
        (
            "operator-not-approver",
            [held("1", "operator", person="p-1"), held("2", "approver", person="p-1")],
        ),
        ("operator-not-approver", [held("1", "operator", person="p-1")]),
        (
            "auditor-is-independent",
            [held("1", "auditor", person="p-1"), held("2", "operator", person="p-1")],
        ),
        ("auditor-is-independent", [held("1", "operator", "auditor", person=None)]),
        ("auditor-is-independent", [held("1", "operator", person="p-1")]),
        ("given-by-another", [held("1", "auditor", person="p-1", giver="p-1")]),
        ("given-by-another", [held("1", "auditor", person="p-1", giver=None)]),
        ("given-by-another", []),
        ("advice-cannot-act", [held("1", "advisor", "operator", person=None)]),
        ("people-are-answerable", [held("1", "operator", person=None)]),
        ("held-elsewhere", []),
    ],
)
def test_each_rule_can_fail(rule: str, keys: list[Held]) -> None:
    said, why = judged(facts(*keys))[rule]
    assert said == "NOT MET"
    assert why.endswith(".")


def test_a_key_that_was_revoked_mixes_no_duties() -> None:
    both = replace(held("1", "operator", "approver", person="p-1"), taken_seq=5, until_us=1)
    two = [held("2", "operator", person="p-1"), held("3", "approver", person="p-2")]
    assert judged(facts(both, *two))["operator-not-approver"][0] == "met"


def test_differences_are_found_in_both_directions() -> None:
    history = History(keys={"1": held("1", "client", person=None)})
    other = Key("2", "2", frozenset({Role.CLIENT}), created_us=0, created_by="system")
    first, second = differences(history, [other])
    assert "not in the key table" in first
    assert "no event says" in second
