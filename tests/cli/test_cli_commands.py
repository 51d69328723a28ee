"""What each command asks the server and shows of its answer."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runs import Run
from tests.fakes.authority_http import GIB, OPERATOR, FakeAuthority, answer_of, event_of, problem_of


def test_status_shows_the_loaded_models_and_says_when_there_are_none(
    lmx: Run, authority: FakeAuthority
) -> None:
    empty = lmx("status")
    assert "1 h 1 min" in empty.out
    assert "No model is loaded" in empty.err
    authority.resident = [{"id": "a/b", "state": "ready", "resident_bytes": GIB, "slots": 4}]
    assert "a/b" in lmx("status").out


@pytest.mark.parametrize(
    ("in_force", "said"),
    [
        ({"version": 2, "tasks": 4, "trouble": None}, "version 2 is active, 4 tasks decide"),
        ({"version": 1, "tasks": 1, "trouble": None}, "version 1 is active, 1 task decides"),
        ({"version": None, "tasks": None, "trouble": "They were altered."}, "CANNOT BE ASKED"),
    ],
)
def test_status_says_which_guardrails_are_in_force(
    lmx: Run, authority: FakeAuthority, in_force: dict[str, Any], said: str
) -> None:
    authority.in_force = {"guardrails": in_force}
    line = next(each for each in lmx("status").out.splitlines() if each.startswith("guardrails"))
    assert said in line


@pytest.mark.parametrize(
    ("advice", "said"),
    [
        ({"open": 0, "walls": None}, ["nothing waits", "not looked at yet (lmx doctor)"]),
        ({"open": 1, "walls": []}, ["1 proposal waits", "NONE IS NAMED"]),
        (
            {"open": 7, "walls": [{"name": "seccomp", "stands": False, "why": "no"}]},
            ["7 proposals wait for a person (lmx advice ls)", "NOT ALL STAND", ": seccomp"],
        ),
        ({"open": 7, "walls": [{"name": "seccomp", "stands": True, "why": ""}]}, ["1 stand"]),
    ],
)
def test_status_says_how_many_proposals_wait_and_whether_the_walls_stand(
    lmx: Run, authority: FakeAuthority, advice: dict[str, Any], said: list[str]
) -> None:
    assert not [line for line in lmx("status").out.splitlines() if line.startswith("walls")]
    authority.in_force = {"advice": advice}
    lines = [one for one in lmx("status").out.splitlines() if one.startswith(("advice", "walls"))]
    assert len(lines) == 2
    assert not [words for words in said if words not in " ".join(lines)]


def test_the_key_is_sent_and_nothing_else_asks_for_one(lmx: Run, authority: FakeAuthority) -> None:
    lmx("models", "ls")
    assert authority.last("/authority/models").key == OPERATOR


def test_models_are_listed_with_trust_and_size(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("models", "ls")
    assert ended.code == 0
    assert ended.out.splitlines()[0].split()[:3] == ["NAME", "STATE", "TRUST"]
    assert "verified  5.0 MiB" in ended.out
    assert "embed gguf" in ended.out


def test_show_and_fit_say_what_a_model_is_for_and_how_it_is_kept(
    lmx: Run, authority: FakeAuthority
) -> None:
    for act in ("show", "fit"):
        said = lmx("models", act, "lmx/starter").out
        for words in ("embed", "gguf", "Q4_K_M", "595,776,512"):
            assert words in said


def test_show_names_every_file_with_its_digest(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("models", "show", "lmx/starter")
    assert "f" * 64 in ended.out
    assert "5.0 MiB (5,242,880 B)" in ended.out


def test_fit_prints_each_term_in_exact_bytes_and_exits_0_when_it_fits(
    lmx: Run, authority: FakeAuthority
) -> None:
    ended = lmx("models", "fit", "lmx/starter", "--context", "4096")
    assert ended.code == 0
    assert f"{4 * GIB:,} B" in ended.out
    assert "4.0 GiB" in ended.out
    assert ended.out.rstrip().endswith("fits")
    assert authority.last("/authority/models/fit").body == {"model": "lmx/starter", "context": 4096}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_fit_exits_3_when_it_does_not_fit(
    lmx: Run, authority: FakeAuthority, form: list[str]
) -> None:
    ended = lmx("models", "fit", "lmx/starter", "--slots", "4", *form)
    assert ended.code == 3
    assert "Does not fit" in ended.err
    if form:
        assert json.loads(ended.out)["verdict"] == "does_not_fit"


def test_fit_sends_an_existing_directory_as_an_absolute_path(
    lmx: Run, authority: FakeAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    for written in ("./model", str(tmp_path / "model")):
        lmx("models", "fit", written)
        assert authority.last("/authority/models/fit").body == {"path": str(tmp_path / "model")}
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    lmx("models", "fit", "./model.gguf")
    assert authority.last("/authority/models/fit").body == {"path": str(tmp_path / "model.gguf")}
    lmx("models", "fit", "model")
    assert authority.last("/authority/models/fit").body == {"model": "model"}


def test_import_ends_with_what_it_is_and_plain_progress_on_stderr(
    lmx: Run, authority: FakeAuthority, tmp_path: Path
) -> None:
    ended = lmx("models", "import", str(tmp_path), "--name", "me/mine")
    assert ended.code == 0
    shown = [line.split()[0] for line in ended.out.splitlines()]
    assert shown == ["id", "digest", "trust", "signature"]
    assert "me/mine" in ended.out
    assert ended.err == "hashed model.safetensors (100 B)\n"
    asked = authority.last("/authority/models/import").body
    assert asked == {"path": str(tmp_path), "name": "me/mine"}


def test_an_import_refused_half_way_is_a_refusal(
    lmx: Run, authority: FakeAuthority, tmp_path: Path
) -> None:
    authority.import_error = problem_of("intake_refused", "a.pkl is a pickle.", 400)[1]
    ended = lmx("models", "import", str(tmp_path))
    assert (ended.code, ended.out) == (3, "")
    assert "lmx: a.pkl is a pickle. [intake_refused]" in ended.err


@pytest.mark.parametrize("link", [False, True])
def test_import_leaves_links_for_the_server_to_judge(
    lmx: Run, authority: FakeAuthority, tmp_path: Path, link: bool
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    chosen = tmp_path / ("link" if link else "real")
    lmx("models", "import", os.fspath(chosen))
    assert authority.last("/authority/models/import").body["path"] == str(chosen)


def test_load_sends_only_what_was_chosen(lmx: Run, authority: FakeAuthority) -> None:
    lmx("models", "load", "lmx/starter")
    assert authority.last("/authority/models/lmx/starter/load").body == {}
    lmx("models", "load", "lmx/starter", "--context", "512", "--slots", "2", "--pin")
    asked = authority.last("/authority/models/lmx/starter/load").body
    assert asked == {"context": 512, "slots": 2, "pinned": True}


@pytest.mark.parametrize(("act", "state"), [("unload", "absent"), ("verify", "ready")])
def test_acts_show_what_the_server_answers(
    lmx: Run, authority: FakeAuthority, act: str, state: str
) -> None:
    assert lmx("models", act, "lmx/starter").out == f"id     lmx/starter\nstate  {state}\n"


def test_events_come_newest_last_with_times_in_utc(lmx: Run, authority: FakeAuthority) -> None:
    authority.record(5)
    lines = lmx("ledger", "ls", "--limit", "3").out.splitlines()
    assert [line.split()[0] for line in lines] == ["SEQ", "3", "4", "5"]
    assert "2026-09-21T14:13:20.123Z" in lines[1]


def test_events_after_a_number_are_those_that_follow_it(lmx: Run, authority: FakeAuthority) -> None:
    authority.record(5)
    answer = json.loads(lmx("ledger", "ls", "--after", "1", "--limit", "2", "--json").out)
    assert [event["seq"] for event in answer["events"]] == [2, 3]


def test_filters_reach_the_server(lmx: Run, authority: FakeAuthority) -> None:
    lmx("ledger", "ls", "--kind", "refusal", "--actor", "anonymous", "--subject", "a/b")
    query = authority.last("/authority/ledger/events").query
    assert {"kind": "refusal", "actor": "anonymous", "subject": "a/b"}.items() <= query.items()


def test_show_recomputes_the_leaf_from_the_body(lmx: Run, authority: FakeAuthority) -> None:
    authority.record(1)
    ended = lmx("ledger", "show", "1")
    assert ended.code == 0
    assert ended.out.count(authority.events[0]["leaf"]) == 2
    assert ended.out.splitlines()[0].startswith('{"actor":')


@pytest.mark.parametrize(
    "edit",
    [
        {"body": event_of(1, "somebody/else")["body"]},
        {"leaf": "0" * 64},
        {"intact": False},
        {k: event_of(2)[k] for k in ("body", "leaf")},
    ],
    ids=["body", "leaf", "bytes", "place"],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_edited_event_fails_its_verification(
    lmx: Run, authority: FakeAuthority, edit: dict[str, object], form: list[str]
) -> None:
    authority.events = [event_of(1) | edit]
    ended = lmx("ledger", "show", "1", *form)
    assert ended.code == 1
    assert "not as it was recorded" in ended.err


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_show_proves_that_the_event_is_under_the_signed_checkpoint(
    lmx: Run, authority: FakeAuthority, form: list[str]
) -> None:
    authority.record(7)
    ended = lmx("ledger", "show", "3", *form)
    assert (ended.code, ended.err) == (0, "")
    if form:
        assert json.loads(ended.out)["inclusion"]["holds"] is True
    else:
        assert "in the 7 events that lmx-authority/test signed for" in ended.out
    # A server that shows an event which its own log does not hold is found out here.
    authority.logged = [event["leaf"] for event in authority.events]
    authority.events[2] = event_of(3, "somebody/else")
    ended = lmx("ledger", "show", "3", *form)
    assert ended.code == 1
    assert "not proven to be in the log" in ended.err


def test_a_body_that_comes_as_text_is_hashed_as_it_is(lmx: Run, authority: FakeAuthority) -> None:
    from app.cli.ledger import canonical_bytes

    event = event_of(1)
    authority.events = [event | {"body": canonical_bytes(event["body"]).decode()}]
    assert lmx("ledger", "show", "1").code == 0


def test_rules_show_tier_place_and_test(lmx: Run, authority: FakeAuthority) -> None:
    out = lmx("rules").out
    for expected in ("C02", "critical", "app.authority.keys", "tests/unit/a.py::b", "e" * 64):
        assert expected in out


def test_keys_are_listed_with_their_roles(lmx: Run, authority: FakeAuthority) -> None:
    authority.keys = [
        {"id": "0123abcd", "name": "me", "roles": ["approver", "operator"], "created": 1},
        {"id": "89abcdef", "name": "bot", "roles": ["client"], "revoked": 1_790_000_000},
    ]
    lines = lmx("keys", "ls").out.splitlines()
    assert lines[1].endswith("approver, operator  1970-01-01T00:00:01Z  active")
    assert lines[2].endswith("revoked 2026-09-21T14:13:20Z")


def test_chat_with_m_prints_the_answer_alone(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("chat", "-m", "Who are you?")
    assert (ended.code, ended.out, ended.err) == (0, "Hello there.\n", "")
    asked = authority.last("/v1/chat/completions").body
    assert asked["model"] == "lmx/starter"
    assert asked["messages"] == [{"role": "user", "content": "Who are you?"}]


def test_an_answer_that_was_cut_off_says_so_on_stderr(lmx: Run, authority: FakeAuthority) -> None:
    authority.chat = answer_of("Hel", finish="length")
    ended = lmx("chat", "some/model", "-m", "Hi")
    assert (ended.code, ended.out) == (0, "Hel\n")
    assert "length limit" in ended.err


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ([{"error": {"message": "The worker ended.", "code": "worker_lost"}}], "[worker_lost]"),
        (answer_of("Hel")[:1], "broke off"),
    ],
    ids=["error event", "no ending"],
)
def test_an_answer_that_breaks_off_fails(
    lmx: Run, authority: FakeAuthority, chat: list[dict[str, object]], said: str
) -> None:
    authority.chat = chat
    ended = lmx("chat", "-m", "Hi")
    assert ended.code == 1
    assert said in ended.err


def test_show_lists_the_run_and_the_commands_that_check_it(
    lmx: Run, authority: FakeAuthority
) -> None:
    more = {"run": "1", "run_events": [event_of(2)], "verify": ["lmx ledger verify"]}
    authority.events = [event_of(1) | more]
    out = lmx("ledger", "show", "1").out
    assert "Of the same run, 1:" in out
    assert out.endswith("Check it:\n  lmx ledger verify\n")


def test_an_event_about_a_proposal_says_which_and_what_it_follows_from(
    lmx: Run, authority: FakeAuthority
) -> None:
    event = event_of(3)
    event["body"]["data"] = {"proposal": "0badcafe", "decision_seq": 2}
    authority.events = [event_of(1), event_of(2), event]
    shown = lmx("ledger", "show", "3").out
    assert "0badcafe (lmx advice show 0badcafe)" in shown
    assert "2 (lmx ledger show 2)" in shown
    assert "proposal" not in lmx("ledger", "show", "2").out
