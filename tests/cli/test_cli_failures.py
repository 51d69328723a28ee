"""However a command ends: an exit code, a sentence on stderr, and never a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.outcomes import BY_CODE, HINTS, ExitCode, exit_code_for
from app.domain import refusals
from tests.cli.runs import PROGRAM, Run, environment
from tests.fakes.authority_http import FakeAuthority, problem_of

REFUSAL_CODES = sorted(
    cls.code
    for cls in vars(refusals).values()
    if isinstance(cls, type) and issubclass(cls, refusals.Refusal)
)


def test_every_refusal_has_an_exit_code() -> None:
    assert set(REFUSAL_CODES) - BY_CODE.keys() == set()
    assert HINTS.keys() - BY_CODE.keys() == set()


@pytest.mark.parametrize("code", REFUSAL_CODES)
def test_a_refusal_becomes_one_sentence_with_its_code(
    lmx: Run, authority: FakeAuthority, code: str
) -> None:
    authority.problem = problem_of(code, "This is why.", 403)
    ended = lmx("models", "ls")
    assert ended.code == BY_CODE[code]
    assert ended.out == ""
    assert ended.err.startswith(f"lmx: This is why. [{code}]")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("approval_required", 202, ExitCode.WAITING),
        ("new_refusal", 409, ExitCode.REFUSED),
        ("internal", 500, ExitCode.FAILED),
        ("digest_mismatch", 409, ExitCode.FAILED),
    ],
)
def test_exit_codes_say_what_happened(code: str, status: int, expected: ExitCode) -> None:
    assert exit_code_for(code, status) is expected


def test_an_error_of_openai_s_shape_is_read_too(lmx: Run, authority: FakeAuthority) -> None:
    error = {"message": "No such model.", "type": "x", "param": "model", "code": "model_not_found"}
    authority.problem = 404, {"error": error}
    ended = lmx("chat", "a/b", "-m", "Hi")
    assert (ended.code, ended.out) == (1, "")
    assert "No such model. [model_not_found] `lmx models ls` lists the models." in ended.err
    said = "No such model. lmx models ls lists them."
    authority.problem = 404, {"error": error | {"message": said}}
    assert lmx("chat", "a/b", "-m", "Hi").err == f"lmx: {said} [model_not_found]\n"


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"[]", b'{"models":7}', b'{"models":[7]}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "html", "list", "number", "numbers", "not UTF-8", "deep"],
)
@pytest.mark.parametrize("command", ["models ls", "status", "rules", "ledger show 1", "chat -m x"])
def test_an_answer_that_is_not_ours_is_a_sentence(
    lmx: Run, authority: FakeAuthority, raw: bytes, command: str
) -> None:
    authority.raw = raw
    ended = lmx(*command.split())
    assert ended.code == 1
    assert ended.err.startswith("lmx: ")


def test_no_server_says_how_to_start_one(lmx: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LMX_KEY", "lmx_x")
    ended = lmx("status")
    assert ended.code == 1
    assert ended.err.startswith("lmx: No server answers at http://127.0.0.1:1.\n")
    assert "make run (or lmx serve)" in ended.err


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1:1234", 3),
        ("http://example.com", 3),
        ("http://127.0.0.1.example.com:1234", 3),
        ("http://0.0.0.0:1234", 3),
        ("https://127.0.0.1:1234", 2),
        ("http://user@127.0.0.1:1234", 2),
        ("http://127.0.0.1:1234/v1", 2),
        ("http://127.0.0.1:99999", 2),
        ("127.0.0.1:1234", 2),
        ("", 2),
    ],
)
def test_only_loopback_is_talked_to(
    lmx: Run, authority: FakeAuthority, url: str, code: int
) -> None:
    assert lmx("status", "--server", url).code == code
    assert authority.asked == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_loopback_may_be_written_by_name(lmx: Run, authority: FakeAuthority, host: str) -> None:
    assert lmx("status", "--server", authority.url.replace("127.0.0.1", host) + "/").code == 0


def test_a_proxy_never_sees_a_request(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert lmx("status").code == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_an_operator_key_that_others_can_read_is_not_used(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    ended = _with_key_file(lmx, monkeypatch, tmp_path, content="lmx_a", mode=mode)
    assert ended[0] == 3
    assert "chmod 600" in ended[1]
    assert authority.asked == []


def test_the_operator_key_is_used_where_no_key_is_set(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _with_key_file(lmx, monkeypatch, tmp_path, content="lmx_a\n", mode=0o600)
    assert authority.asked[-1].key == "lmx_a"


@pytest.mark.parametrize("content", ["lmx_a\nX-Other: 1", "lmx_\u202e", "a b"])
def test_what_is_no_key_is_not_sent(
    lmx: Run,
    authority: FakeAuthority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: str,
) -> None:
    ended = _with_key_file(lmx, monkeypatch, tmp_path, content=content, mode=0o600)
    assert ended[0] == 2
    assert "X-Other" not in ended[1]
    assert authority.asked == []


def test_without_any_key_the_server_decides(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LMX_KEY")
    ended = lmx("models", "ls")
    assert ended.code == 3
    assert "[key_missing] Set LMX_KEY" in ended.err


@pytest.mark.parametrize("name", ["../keys", "a//b", "/etc", "."])
def test_a_name_cannot_reach_another_route(lmx: Run, authority: FakeAuthority, name: str) -> None:
    assert lmx("models", "load", name).code == 2
    assert authority.asked == []


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["models", "ls", "--nope"], ["ledger", "show"]]
)
def test_a_wrong_command_line_is_2(lmx: Run, arguments: list[str]) -> None:
    ended = lmx(*arguments)
    assert (ended.code, ended.out) == (2, "")


def test_a_reader_that_goes_away_ends_the_command_quietly(authority: FakeAuthority) -> None:
    authority.record(1000)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as out:  # noqa: PTH123 - a descriptor, not a path
        ended = subprocess.run(
            [*PROGRAM, "ledger", "ls", "--limit", "1000"],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(authority),
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence(authority: FakeAuthority) -> None:
    with Path("/dev/full").open("wb") as out:
        ended = subprocess.run(
            [*PROGRAM, "models", "ls"],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(authority),
            check=False,
        )
    assert ended.returncode == 1
    assert re.fullmatch(rb"lmx: .*\n", ended.stderr)


def test_a_terminal_without_utf_8_gets_question_marks(authority: FakeAuthority) -> None:
    authority.chat[0]["choices"][0]["delta"]["content"] = "Grüße"
    ended = subprocess.run(
        [sys.executable, "-X", "utf8=0", *PROGRAM[1:], "chat", "-m", "Hi"],
        capture_output=True,
        env=environment(authority, PYTHONIOENCODING="ascii"),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, b"Gr??e there.\n")


@pytest.mark.parametrize("given", ["an argument", "stdin"])
def test_bytes_that_are_not_utf_8_are_not_sent(authority: FakeAuthority, given: str) -> None:
    message = [b"-m", b"\xff"] if given == "an argument" else []
    ended = subprocess.run(
        [*PROGRAM, "chat", "a/b", *message],
        input=b"\xff",
        capture_output=True,
        env=environment(authority, PYTHONUTF8="1", PYTHONIOENCODING="utf-8:strict"),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr == b"lmx: What was given is not valid UTF-8. Nothing was sent.\n"
    assert authority.asked == []


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [("<&-", "people add Ann", 3), (">&-", "models ls", 0), ("2>&-", "status", 0)],
)
def test_closed_streams_are_no_surprise(
    authority: FakeAuthority, closed: str, command: str, code: int
) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {closed}', *PROGRAM, *command.split()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(authority),
        check=False,
    )
    assert ended.returncode == code
    assert b"Traceback" not in ended.stderr


def test_a_fault_in_lmx_itself_is_a_sentence_unless_its_traceback_is_asked_for(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.output.show_table", None)
    ended = lmx("models", "ls")
    assert ended.code == 1
    assert "fault in lmx" in ended.err
    assert "Traceback" not in ended.err
    monkeypatch.setenv("LMX_TRACEBACK", "1")
    with pytest.raises(TypeError):
        lmx("models", "ls")


def _with_key_file(
    lmx: Run, monkeypatch: pytest.MonkeyPatch, home: Path, *, content: str, mode: int
) -> tuple[int, str]:
    monkeypatch.delenv("LMX_KEY")
    monkeypatch.setenv("LMX_HOME", str(home))
    (home / "operator.key").write_text(content, encoding="utf-8")
    (home / "operator.key").chmod(mode)
    ended = lmx("models", "ls")
    return ended.code, ended.err
