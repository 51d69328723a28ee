"""The saved reports over a real ledger: what each holds, what it covers, and what it leaves out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.authority.auditing.reporting import VERIFY
from app.authority.auditing.reports.catalog import REPORTS
from app.authority.auditing.reports.destructive import DESTRUCTIVE, EFFECT, NOTES, NOTHING, TYPED
from app.authority.ledger import Kind, LedgerEvent
from app.authority.permissions import Permission, grant
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import Forbidden, InvalidRequest, KeyMissing
from app.evidence.indexing import index_row
from tests.fakes import events
from tests.fakes.database import foreign_connection
from tests.fakes.installation import Installed

DIGEST = "d" * 64
MODELS = ("lab/a", "lab/b", "lab/a=1+1", "l\u202eab/\x1b[2J<b>")
SUBJECTS = {"model": "lab/a", "person": "system"}


def imported(subject: str, digest: str = DIGEST) -> LedgerEvent:
    data: dict[str, Any] = {"digest": digest, "trust": "verified", "size_bytes": 1}
    data |= {"architecture": "llama", "source": "s", "left_out": [], "left_out_count": 0}
    return LedgerEvent(Kind.MODEL_IMPORTED, SYSTEM, subject, "done", data)


def seqs(answer: dict[str, Any]) -> list[int]:
    return [row["seq"] for row in answer["rows"]]


def bodies(installed: Installed) -> list[dict[str, Any]]:
    raw = foreign_connection(installed.path)
    return [json.loads(b) for (b,) in raw.execute("SELECT body FROM ledger_event ORDER BY seq")]


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_says_what_it_is_and_what_it_holds_under(
    installed: Installed, name: str
) -> None:
    answer = await installed.read(name, SUBJECTS.get(name))
    meta = answer["meta"]
    assert meta["title"]
    assert meta["question"].endswith("?")
    assert meta["generated_by"] == installed.operator.id
    assert meta["generated_us"] == installed.clock.utc_us()
    assert meta["range"]["first_seq"] == 1
    assert meta["range"]["last_seq"] == meta["size"] == installed.ledger.size()
    assert meta["checkpoint"].split("\n")[1] == str(meta["size"])
    assert meta["total"] == len(answer["rows"])
    assert meta["verify"] == list(VERIFY)
    names = [column["name"] for column in answer["columns"]]
    assert all(list(row) and set(row) == set(names) for row in answer["rows"])


@pytest.mark.parametrize("name", REPORTS)
async def test_reading_a_report_is_recorded_and_needs_the_right_key(
    installed: Installed, name: str
) -> None:
    subject = SUBJECTS.get(name)
    await installed.read(name, subject)
    (last,) = installed.ledger.events(newest_first=True, limit=1)
    assert (last.kind, last.subject) == ("ledger_read", f"report {name}")
    with pytest.raises(Forbidden):
        await installed.reports.report(installed.key_of("client"), name, subject=subject)
    with pytest.raises(KeyMissing):
        await installed.reports.report(ANONYMOUS, name, subject=subject)
    await installed.reports.report(installed.key_of("auditor", name="y"), name, subject=subject)


async def test_the_list_names_every_report_and_what_it_needs(installed: Installed) -> None:
    found = {one["name"]: one for one in await installed.reports.names(installed.operator)}
    assert list(found) == "model person destructive refusals access duties".split()
    assert {name for name, one in found.items() if one["subject"]} == {"model", "person"}
    with pytest.raises(Forbidden):
        await installed.reports.names(installed.key_of("client"))


@pytest.mark.parametrize(
    ("name", "asked", "param"),
    [
        ("nothing", {}, "name"),
        ("model", {}, "subject"),
        ("model", {"subject": " "}, "subject"),
        ("person", {"subject": "Grace Hopper"}, "subject"),
        ("refusals", {"subject": "lab/a"}, "subject"),
        ("refusals", {"since": "yesterday"}, "since"),
        ("refusals", {"until": "2026-13-01"}, "until"),
    ],
)
async def test_what_cannot_be_asked_is_said_by_name(
    installed: Installed, name: str, asked: dict[str, str], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await installed.read(name, **asked)
    assert refused.value.param == param


@given(
    made=st.lists(st.tuples(st.sampled_from(MODELS), st.integers(0, 3)), max_size=25),
    asked=st.sampled_from(MODELS),
    limit=st.integers(1, 7),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_all_pages_of_a_models_report_are_the_events_about_it(
    installed: Installed, made: list[tuple[str, int]], asked: str, limit: int
) -> None:
    for model, what in made:
        if what == 0:
            intent = installed.ledger.append(events.load_intent(model))
            installed.ledger.append(events.load_outcome(intent.seq, model))
        elif what == 1:
            installed.refusals.record(SYSTEM, Forbidden("no"), model)
        else:
            installed.ledger.append(events.quarantined(model) if what == 2 else events.boot(model))
    answer = await installed.whole("model", asked, limit=limit)
    about = [b["seq"] for b in bodies(installed) if index_row(b).model == asked]
    assert seqs(answer) == about
    assert answer["meta"]["total"] == len(about)


async def test_by_digest_a_model_is_found_under_every_name_it_was_imported_as(
    installed: Installed,
) -> None:
    for name, digest in (("lab/a", DIGEST), ("lab/b", DIGEST), ("lab/c", "e" * 64)):
        installed.ledger.append(imported(name, digest))
        installed.ledger.append(events.unload_intent(name))
    installed.ledger.append(events.load_intent("lab/elsewhere"))  # names the digest alone
    answer = await installed.whole("model", DIGEST, limit=2)
    subjects = [row["subject"] for row in answer["rows"]]
    assert subjects == ["lab/a", "lab/a", "lab/b", "lab/b", "lab/elsewhere"]
    assert answer["meta"]["total"] == 5


async def test_a_person_did_what_every_key_of_theirs_did(installed: Installed) -> None:
    person = str(installed.operator.person)
    auditor = installed.key_of("auditor")
    installed.refusals.record(auditor, Forbidden("no"), "lab/a")
    installed.refusals.record(installed.key_of("client", name="bot"), Forbidden("no"), "lab/a")
    answer = await installed.whole("person", person, limit=2)
    assert {row["person"] for row in answer["rows"]} == {person}
    assert {row["actor"] for row in answer["rows"]} == {installed.operator.id, auditor.id}
    assert [row["kind"] for row in answer["rows"]] == [
        "key_created",
        "refusal",
        "key_created",
        "ledger_read",
    ]
    for one in (auditor.id, auditor.id.removeprefix("key:")):
        assert [row["kind"] for row in (await installed.read("person", one))["rows"]] == ["refusal"]


async def test_a_person_did_what_their_keys_did_before_there_were_people(
    installed: Installed,
) -> None:
    before = Actor("key:0badcafe", "n", frozenset({Role.OPERATOR}))
    after = Actor("key:0badcafe", "n", frozenset({Role.OPERATOR}), person="p-00000001")
    installed.ledger.append(events.load_intent(actor=before))
    data = {"person": "p-00000001", "commitment": "00", "keys": ["0badcafe"]}
    installed.ledger.append(LedgerEvent(Kind.PERSON_NAMED, SYSTEM, "p-00000001", data=data))
    installed.ledger.append(events.unload_intent(actor=after))
    answer = await installed.whole("person", "p-00000001", limit=1)
    assert [row["kind"] for row in answer["rows"]] == ["load_intent", "unload_intent"]
    assert answer["meta"]["total"] == 2


async def test_refusals_are_summed_where_an_event_stands_for_many(installed: Installed) -> None:
    for _ in range(250):
        installed.refusals.record(ANONYMOUS, KeyMissing("Send a key."), "/authority/keys")
    installed.refusals.record(SYSTEM, Forbidden("no"), "person p-1")
    installed.refusals.close()
    answer = await installed.whole("refusals", limit=17)
    assert answer["meta"]["refusals"] == 251
    assert answer["meta"]["total"] == len(answer["rows"]) == 102
    by_code, by_actor = answer["meta"]["tables"]
    assert by_code["rows"] == [
        {"code": "key_missing", "refusals": 250, "events": 101},
        {"code": "forbidden", "refusals": 1, "events": 1},
    ]
    assert [row["actor"] for row in by_actor["rows"]] == ["anonymous", "system"]
    counted = [row for row in answer["rows"] if row["refusals"] > 1]
    assert [(row["refusals"], row["message"]) for row in counted] == [(150, "Send a key.")]
    assert counted[0]["first"] is not None


async def test_destructive_acts_name_what_was_lost_and_who_agreed(
    installed: Installed,
) -> None:
    key = installed.revoke(installed.key_of("client"))
    person = str(installed.operator.person)
    may = grant(installed.operator, Permission.PERSON_ERASE)
    installed.people.erase_name(may, person, f"yes, erase the name of {person}")
    pruned = {"until_us": 1, "rows": 3}
    installed.ledger.append(LedgerEvent(Kind.USAGE_PRUNED, SYSTEM, data=pruned))
    installed.ledger.append(events.load_intent())
    answer = await installed.whole("destructive", limit=1)
    by = TYPED.replace("{actor}", installed.operator.id)
    assert [(row["kind"], row["subject"], row["approved_by"]) for row in answer["rows"]] == [
        ("key_revoked", key, "the decisions of ask 0000cafe"),
        ("person_name_erased", person, by),
        ("usage_pruned", None, "nobody: the setting ledger.usage_days says when"),
    ]
    assert answer["meta"]["total"] == 3
    assert answer["meta"]["notes"] == list(NOTES)
    assert "no one else agreed" in NOTES[0]


@pytest.mark.parametrize(
    ("act", "lost"),
    [
        ("guardrails_activate", NOTHING),
        ("guardrails_add", NOTHING),
        ("guardrails_rebind", NOTHING),
        ("guardrails_retire", NOTHING),
        ("key_create", NOTHING),
        ("model_delete", "what the plan names"),
        ("an act of another release", "what the plan names"),
    ],
)
async def test_an_act_that_took_nothing_away_is_not_said_to(
    installed: Installed, act: str, lost: str
) -> None:
    data = {"act": act, "ask": "0000cafe", "plan": "0" * 64, "phase": "act", "failed": []}
    data |= {"failed_count": 0, "files": 0, "freed_bytes": 0, "run": "1" * 64}
    intent = {name: data[name] for name in ("act", "ask", "plan", "phase")}
    begun = LedgerEvent(Kind.ACT_INTENT, installed.operator, subject="x", data=intent)
    seq = installed.ledger.append(begun).seq
    done = LedgerEvent(
        Kind.ACT_OUTCOME,
        installed.operator,
        subject="x",
        outcome="done",
        data=data,
        intent_seq=seq,
    )
    installed.ledger.append(done)
    (row,) = (await installed.whole("destructive"))["rows"]
    assert (row["kind"], row["lost"]) == ("act_outcome", lost)
    assert "all here, changes of guardrails too" in NOTES[1]


def test_every_kind_of_event_is_judged_destructive_or_not() -> None:
    assert set(EFFECT) == set(Kind)
    assert {Kind.KEY_REVOKED, Kind.PERSON_NAME_ERASED, Kind.LEDGER_PRUNED} <= set(DESTRUCTIVE)


async def test_what_comes_while_a_report_is_read_belongs_to_the_next_one(
    installed: Installed,
) -> None:
    for _ in range(5):
        installed.ledger.append(events.quarantined("lab/a"))
    first = await installed.read("model", "lab/a", limit=3)
    installed.ledger.append(events.quarantined("lab/a"))
    size = first["meta"]["size"]
    rest = await installed.read("model", "lab/a", limit=3, after=first["next"], through=size)
    assert len(first["rows"] + rest["rows"]) == first["meta"]["total"] == 5
    assert rest["next"] is None
    assert rest["meta"]["size"] == size
    assert rest["meta"]["range"]["last_seq"] == size


async def test_a_span_of_time_limits_rows_total_sums_and_range(installed: Installed) -> None:
    for _ in range(3):
        installed.clock.advance(86_400)
        installed.refusals.record(SYSTEM, Forbidden("no"), "person p-1")
    day = "2027-01-17"
    answer = await installed.read("refusals", since=day, until=day)
    assert len(answer["rows"]) == answer["meta"]["total"] == answer["meta"]["refusals"] == 1
    covered = answer["meta"]["range"]
    assert covered["first_seq"] <= answer["rows"][0]["seq"] <= covered["last_seq"]
    assert covered["last_seq"] < answer["meta"]["size"]


async def test_an_altered_index_and_a_damaged_body_are_findings(installed: Installed) -> None:
    for name in ("lab/a", "lab/b", "lab/a"):
        installed.ledger.append(events.quarantined(name))
    installed.ledger.settle()
    raw = foreign_connection(installed.path)
    raw.execute("UPDATE ledger_index SET model = 'lab/a' WHERE seq = 3")
    raw.execute("DROP TRIGGER ledger_event_no_update")
    raw.execute(
        "UPDATE ledger_event SET body = CAST(replace(body, 'killed', 'healed') AS BLOB) "
        "WHERE seq = 4"
    )
    answer = await installed.read("model", "lab/a")
    assert seqs(answer) == [2, 4]
    assert "DAMAGED" in answer["rows"][1]["details"]
    altered, damaged = answer["meta"]["findings"]
    assert "index was altered at event 3" in altered
    assert "Event 4 is damaged" in damaged


async def test_details_say_all_of_an_events_data_in_words(installed: Installed) -> None:
    data = {**events.load_intent().data, "feasibility": {"need": {"total_bytes": 7}}}
    installed.ledger.append(LedgerEvent(Kind.LOAD_INTENT, SYSTEM, "lab/a", data=data))
    (row,) = (await installed.read("model", "lab/a"))["rows"]
    assert row["details"] == (
        f"context: 256; digest: {DIGEST}; feasibility.need.total_bytes: 7; "
        "permission: model.load; pinned: no; slots: 1"
    )


def test_the_page_of_documents_names_every_report() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
    assert all(f"lmx ledger report {name}" in page for name in REPORTS)
