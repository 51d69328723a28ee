"""`lmx guardrails`: documents, with every error at once; loaded, listed, shown and compared."""

import json
from pathlib import Path

import pytest

from tests.cli.runs import Run
from tests.fakes import guardrails_answers as said
from tests.fakes.authority_http import FakeAuthority, problem_of

ROOT = "/authority/guardrails"


@pytest.fixture
def answering(authority: FakeAuthority) -> FakeAuthority:
    authority.guardrails = said.answering
    return authority


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "guardrails.yaml"
    file.write_text("version: 1\n", "utf-8")
    return file


def test_every_error_of_a_document_has_a_line_that_editors_jump_to(
    lmx: Run, authority: FakeAuthority, document: Path
) -> None:
    wrong = {"ok": False, "hash": None, "errors": said.ERRORS, "changed": []}
    authority.guardrails = said.but({"POST check": wrong})
    ended = lmx("guardrails", "check", str(document))
    assert ended.code == 2
    assert ended.out.splitlines() == [
        f"{document}:3:5: strategies/changes: There is no strategy.",
        f"{document}:9:1: An alias is not allowed.",
    ]
    assert ended.err == f"lmx: {document} cannot be used: 2 errors.\n"
    ended = lmx("guardrails", "check", str(document), "--json")
    assert (ended.code, json.loads(ended.out)["errors"]) == (2, said.ERRORS)


def test_a_document_that_can_be_used_says_what_is_new_in_it(
    lmx: Run, answering: FakeAuthority, document: Path
) -> None:
    ended = lmx("guardrails", "check", str(document))
    assert (ended.code, ended.err) == (0, "")
    assert said.HASH in ended.out
    assert f"  {said.KEY}\n" in ended.out
    assert answering.last(f"{ROOT}/check").body == {"text": "version: 1\n", "form": "yaml"}


def test_markdown_is_sent_as_markdown(lmx: Run, answering: FakeAuthority, tmp_path: Path) -> None:
    file = tmp_path / "guardrails.md"
    file.write_text("```yaml\nversion: 1\n```\n", "utf-8")
    assert lmx("guardrails", "check", str(file)).code == 0
    assert answering.last(f"{ROOT}/check").body["form"] == "markdown"


@pytest.mark.parametrize(("content", "code"), [(None, 2), (b"\xff", 2), (b"a" * (1 << 20 | 1), 2)])
def test_a_file_that_is_no_document_is_not_sent(
    lmx: Run, answering: FakeAuthority, tmp_path: Path, content: bytes | None, code: int
) -> None:
    file = tmp_path / "guardrails.yaml"
    if content is not None:
        file.write_bytes(content)
    ended = lmx("guardrails", "check", str(file))
    assert (ended.code, str(file) in ended.err) == (code, True)
    assert answering.asked == []


def test_loading_says_that_nothing_has_changed_yet(
    lmx: Run, answering: FakeAuthority, document: Path
) -> None:
    ended = lmx("guardrails", "load", str(document), "--note", "Tighter.")
    assert ended.code == 0
    assert answering.last(f"{ROOT}/versions").body["note"] == "Tighter."
    for part in ("version  2", said.KEY, "blocked-attempts"):
        assert part in ended.out
    assert "lmx guardrails recompile --version 2" in ended.err


def test_loading_the_same_again_says_which_version_it_is(
    lmx: Run, authority: FakeAuthority, document: Path
) -> None:
    same = {"version": 1, "hash": said.HASH, "changed": [], "affected": [], "loaded": False}
    authority.guardrails = said.but({"POST versions": same})
    ended = lmx("guardrails", "load", str(document))
    assert (ended.code, ended.err) == (
        0,
        "This document is version 1 already; nothing was kept.\n",
    )


def test_loading_what_cannot_be_used_lists_its_errors_by_line(
    lmx: Run, authority: FakeAuthority, document: Path
) -> None:
    status, problem = problem_of("guardrails_invalid", "The document has 2 errors.", 422)
    authority.problem = status, problem | {"errors": said.ERRORS}
    ended = lmx("guardrails", "load", str(document))
    assert (ended.code, ended.out) == (2, "")
    assert f"{document}:3:5: strategies/changes: There is no strategy.\n" in ended.err
    assert ended.err.endswith(f"lmx: {document} cannot be used: 2 errors.\n")


def test_the_active_document_is_shown_as_it_was_loaded(lmx: Run, answering: FakeAuthority) -> None:
    ended = lmx("guardrails", "show")
    assert (ended.code, ended.out) == (0, "version: 1\nname: shipped\n")
    assert ended.err == "version 1, hash 3f9c2b000000...\n"
    assert lmx("guardrails", "show", "1").out == ended.out


def test_versions_say_which_one_is_active(lmx: Run, answering: FakeAuthority) -> None:
    out = lmx("guardrails", "versions").out
    assert "active" in out
    assert "3f9c2b000000" in out


def test_versions_are_listed_a_page_at_a_time(lmx: Run, authority: FakeAuthority) -> None:
    page = {"versions": [said.VERSION], "active": 1, "next": "1"}
    authority.guardrails = said.but({"GET versions": page})
    ended = lmx("guardrails", "versions", "--limit", "1", "--cursor", "2")
    assert authority.last(f"{ROOT}/versions").query == {"limit": "1", "cursor": "2"}
    assert ended.err == "There may be more: --cursor 1\n"


def test_the_active_document_is_found_on_whatever_page_it_is(
    lmx: Run, authority: FakeAuthority
) -> None:
    newest = {
        "versions": [{**said.VERSION, "version": 9, "active": False}],
        "active": 1,
        "next": "9",
    }
    authority.guardrails = said.but({"GET versions": newest})
    assert lmx("guardrails", "show").err == "version 1, hash 3f9c2b000000...\n"


def test_a_difference_is_told_before_and_after(lmx: Run, answering: FakeAuthority) -> None:
    out = lmx("guardrails", "diff", "1", "2").out
    assert f"{said.KEY}  1.0 -> 0.5\n" in out
    assert "nothing -> [lmx, lab]" in out
    assert "blocked-attempts" in out
    assert answering.last(f"{ROOT}/diff").query == {"from": "1", "to": "2"}
