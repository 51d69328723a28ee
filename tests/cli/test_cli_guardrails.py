"""`lmx guardrails`: what an intent means, the choices of what is open, and reads on a phone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runs import Run, Terminal
from tests.fakes import guardrails_answers as said
from tests.fakes.authority_http import Asked, FakeAuthority, problem_of

Start = Callable[..., Terminal]
ROOT = "/authority/guardrails"


@pytest.fixture
def answering(authority: FakeAuthority) -> FakeAuthority:
    authority.guardrails = said.answering
    return authority


# --- intents ------------------------------------------------------------------------------------


def test_an_intent_is_told_with_where_every_part_comes_from(
    lmx: Run, answering: FakeAuthority
) -> None:
    ended = lmx("guardrails", "compile", said.INTENT, "--version", "1")
    assert ended.code == 0
    assert answering.last(f"{ROOT}/compile").body == {"intent": said.INTENT, "version": 1}
    shown = " ".join(ended.out.split())
    for part in (
        "intent " + said.INTENT,
        "means Alert when blocked attempts rose by more than 100 % in 1 h, and are above 10.",
        "guardrails version 1, 3f9c2b000000",
        "when.0 change of blocked_attempts",
        "value 1.0: primitive_hint, tier medium",
        "window 1 h: global_default, defaults/windows/change",
        "severity medium (said: sharply); bias: shifted (a shared machine -1)",
        "strategy change: mapping_rule, `rise` is a change, upwards",
        "not z_score: primitive_hint, the mapping says another",
        "when.1 threshold of blocked_attempts",
        "value 10: user_explicit, `above 10`",
    ):
        assert part in shown


def test_a_structure_is_compiled_from_a_file(
    lmx: Run, answering: FakeAuthority, tmp_path: Path
) -> None:
    structure = {"action": "block", "points": ["load"], "when": {"primitive": "model_format"}}
    file = tmp_path / "intent.json"
    file.write_text(json.dumps(structure), "utf-8")
    assert lmx("guardrails", "compile", "--file", str(file)).code == 0
    assert answering.last(f"{ROOT}/compile").body == {"intent": structure}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "one of the two"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('"Block pulls"', "holds no structure"),
    ],
)
def test_what_is_neither_words_nor_a_structure_is_refused_before_the_server(
    lmx: Run, answering: FakeAuthority, tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "intent.json"
    file.write_text(text or "{}", "utf-8")
    words = ("Block pulls",) if text is None else ()
    ended = lmx("guardrails", "compile", *words, "--file", str(file))
    assert ended.code == 2
    assert why in " ".join(ended.err.split())
    assert not answering.asked


def test_nothing_said_is_asked_for(lmx: Run, answering: FakeAuthority) -> None:
    assert lmx("guardrails", "compile").code == 2
    assert not answering.asked


def test_an_intent_that_leaves_something_open_prints_the_question_and_the_choices(
    lmx: Run, authority: FakeAuthority
) -> None:
    status, problem = problem_of("intent_unclear", "Two things are called `size`.", 422)
    question = "Which `size` is meant?"
    more = {"question": question, "choices": ["model size", "bytes freed"], "where": "character 4"}
    authority.problem = status, problem | more
    ended = lmx("guardrails", "compile", "Block loading when size is above 3 GB")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        "  - model size",
        "  - bytes freed",
        "lmx: Which `size` is meant? (character 4) [intent_unclear]",
    ]


def test_what_the_guardrails_do_not_allow_is_refused_with_every_violation(
    lmx: Run, authority: FakeAuthority
) -> None:
    status, problem = problem_of("guardrail_violated", "It is not allowed.", 422)
    violation = {"rule": "bounds", "message": "500 is above 100.\x1b[2J", "where": "when.0"}
    authority.problem = status, problem | {"violations": [violation]}
    ended = lmx("guardrails", "compile", "Alert when latency is above 500 s")
    assert ended.code == 3
    assert ended.err == (
        "bounds: 500 is above 100.[2J (when.0)\n"
        "lmx: The guardrails do not allow this. [guardrail_violated]\n"
    )


def test_all_tasks_are_listed_however_many_answers_it_takes(
    lmx: Run, authority: FakeAuthority
) -> None:
    def answer(asked: Asked) -> Any:
        after = asked.query.get("cursor", "a")
        following = {"a": "b", "b": "c", "c": "a"}[after]  # and then it goes round
        return {"tasks": [{**said.TASK, "id": f"after-{after}"}], "next": following}

    authority.guardrails = answer
    listed = json.loads(lmx("guardrails", "tasks", "--json").out)["tasks"]
    assert [task["id"] for task in listed] == ["after-a", "after-b", "after-c"]


def test_tasks_are_listed_and_shown(lmx: Run, answering: FakeAuthority) -> None:
    out = lmx("guardrails", "tasks").out
    assert said.INTENT in out
    assert "bound, affected" in out
    assert lmx("guardrails", "tasks", "--retired").code == 0
    assert answering.last(f"{ROOT}/tasks").query == {"retired": "true"}
    shown = " ".join(lmx("guardrails", "tasks", "blocked-attempts").out.split())
    for part in ("blocked-attempts, version 2", "when.0 change of", "0badcafe", "2026-09-21"):
        assert part in shown


def test_nothing_bound_is_said_so(lmx: Run, authority: FakeAuthority) -> None:
    authority.guardrails = lambda _: {"tasks": []}
    ended = lmx("guardrails", "tasks")
    assert (ended.code, ended.out) == (0, "")
    assert "Nothing is bound" in ended.err


@pytest.mark.parametrize("name", ["../../keys", "a/b", "", "a?b"])
def test_a_name_can_be_no_other_address(lmx: Run, answering: FakeAuthority, name: str) -> None:
    assert lmx("guardrails", "tasks", name).code == 2
    assert lmx("guardrails", "explain", name).code == 2
    assert lmx("guardrails", "retire", name).code == 2
    assert answering.asked == []


def test_recompiling_shows_changes_before_and_after_and_what_they_would_have_done(
    lmx: Run, answering: FakeAuthority
) -> None:
    ended = lmx("guardrails", "recompile", "--version", "2", "--task", "other", "--days", "30")
    assert ended.code == 0
    body = {"version": 2, "tasks": ["other"], "days": 30}
    assert answering.last(f"{ROOT}/recompile").body == body
    shown = " ".join(ended.out.split())
    for part in (
        "documents 1 -> 2",
        "blocked-attempts changed",
        "when.0.value 1.0 -> 0.5",
        "when.0.window 1 h -> nothing",
        "fires 3 -> 243 times in 1200 decisions of 30 days (+8.0 a day)",
        "Less than a day was recorded: the estimate says little.",
        "other unclear why No value for `change` at the tier low.",
    ):
        assert part in shown
    assert "lmx guardrails rebind --version 2" in ended.err


@pytest.mark.parametrize(
    ("activated", "steps"),
    [
        (None, "lmx guardrails activate 2\nand then: lmx guardrails rebind --version 2\n"),
        (1, "To ask for it: lmx guardrails rebind --version 2\n"),
    ],
)
def test_a_document_that_was_never_active_is_to_be_activated_first(
    lmx: Run, authority: FakeAuthority, activated: int | None, steps: str
) -> None:
    authority.guardrails = said.but({"GET versions/2": {"version": 2, "activated_us": activated}})
    assert lmx("guardrails", "recompile", "--version", "2").err.endswith(steps)


def test_that_no_task_would_be_another_is_said(lmx: Run, authority: FakeAuthority) -> None:
    same = {"from": 1, "to": 1, "changed": [], "affected": [], "unaffected": ["a"], "tasks": []}
    authority.guardrails = said.but({"POST recompile": same})
    ended = lmx("guardrails", "recompile")
    assert "No task is another under version 1." in ended.err
    assert "concerns          no task\n" in ended.out


@pytest.mark.parametrize("name", ["Bad_Id", "1st", "a" * 65, "", "-a", "a b"])
def test_a_name_that_no_task_can_have_is_not_sent(
    lmx: Run, answering: FakeAuthority, name: str
) -> None:
    ended = lmx("guardrails", "add", "--", name, "Alert when latency is above 3 s")
    assert ended.code == 2
    assert "a small letter, then a-z, 0-9 and -" in ended.err
    assert answering.asked == []


# --- all of them --------------------------------------------------------------------------------

LISTINGS = [
    *("versions", "show 1", "diff 1 2", "tasks", "tasks blocked-attempts"),
    *("recompile --version 2", "decisions", "explain 0a1b2c", "replay"),
]


@pytest.mark.parametrize("command", LISTINGS)
def test_json_is_what_the_server_said_alone(
    lmx: Run, answering: FakeAuthority, command: str
) -> None:
    ended = lmx("guardrails", *command.split(), "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) in said.ANSWERS.values()


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("command", [*LISTINGS, "compile x"])
def test_nothing_is_wider_than_a_phone(terminal: Start, command: str) -> None:
    lmx = terminal("guardrails", *command.split())
    assert lmx.ended() == 0
    wide = [line for line in lmx.screen.splitlines() if len(line) > 60]
    assert [line for line in wide if len(line.split()) > 2] == []
