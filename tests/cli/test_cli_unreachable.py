"""Where no server answers, every command says so and what to look at, without a traceback."""

import json
import os
from pathlib import Path

import pytest

from app.cli.looking.unreachable import Seen, hints, holder, look, trouble
from app.cli.tree import app
from tests.cli.runs import Run, commands_of

NOBODY = "http://127.0.0.1:1"
ID = "0badcafe"
ASKING = [
    *("status", "chat -m Hi", "rules", "models ls", "models show a/b", "models fit a/b"),
    *("models load a/b", "models unload a/b", "models verify a/b", "models adopt"),
    *("models alias a/b c", "models set a/b --context 512", "models pin a/b", "models unpin a/b"),
    *("models note a/b words", "models rm a/b", "models pull a/b", "models import {tmp}"),
    *("store ls", "store trash", "store restore a", "store purge --caches"),
    *("keys ls", "keys create bot --role client", f"keys revoke {ID}"),
    *("approvals ls", "approvals acts", "approvals profile"),
    *(f"approvals {act} {ID}" for act in ("show", "withdraw", "execute", "again")),
    *(f"approvals {act} {ID} --reason no" for act in ("reject", "veto")),
    *("guardrails versions", "guardrails show", "guardrails tasks", "guardrails decisions"),
    *("guardrails compile words", "guardrails activate 1", "guardrails diff 1 2"),
    *("guardrails retire a", "guardrails explain a", "guardrails replay", "guardrails add a words"),
    *("advice ls", f"advice show {ID}", f"advice dismiss {ID} --reason no", "advice advisors"),
    *("advice run residency", "advice scorecard", "advice snapshot", "advice replay residency"),
    *("people ls", "runs ls", "runs show 7", "runs diff 7 9"),
    *("ledger ls", "ledger show 1", "ledger counts", "ledger watch", "ledger reindex"),
    *("ledger report access", "ledger checkpoint", "ledger key"),
]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LMX_URL", NOBODY)
    monkeypatch.setenv("LMX_KEY", "lmx_x")
    monkeypatch.setenv("LMX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize("command", ASKING)
def test_it_says_that_nobody_answers_and_what_to_look_at(
    lmx: Run, alone: Path, tmp_path: Path, command: str
) -> None:
    ended = lmx(*command.format(tmp=tmp_path).split())
    assert (ended.code, ended.out) == (1, "")
    first, *listed = ended.err.splitlines()
    assert first == f"lmx: No server answers at {NOBODY}."
    assert len(listed) >= 3
    for words in ("lmx serve", "lmx service status", "LMX_URL", "lmx doctor"):
        assert words in ended.err


def test_what_is_asked_here_are_commands_that_there_are() -> None:
    known = set(map(" ".join, commands_of(app)))
    asked = {" ".join(words[:n]) for words in map(str.split, ASKING) for n in (1, 2)}
    assert len(asked & known) >= 60


def said(seen: Seen) -> str:
    return "\n".join(hints(NOBODY, seen))


def test_a_server_that_holds_the_state_is_named_before_another_is_started() -> None:
    text = said(Seen(Path("/h"), exists=True, holder=4242))
    assert text.startswith("Process 4242 holds /h")
    assert "make run" not in text


def test_a_state_directory_that_there_is_not_is_no_place_to_look() -> None:
    text = said(Seen(Path("/h"), exists=False))
    assert "No server was ever started on /h" in text
    assert "LMX_HOME" not in text


def test_the_log_and_its_last_trouble_are_told() -> None:
    text = said(Seen(Path("/h"), exists=True, log=Path("/h/logs/server.log"), trouble="It broke."))
    assert "Its log: /h/logs/server.log. Its last trouble: It broke." in text


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], ""),
        (["not JSON", '"text"', "[" * 100_000], ""),
        ([json.dumps({"level": "info", "event": "Fine."})], ""),
        (
            [
                json.dumps(
                    {"level": "error", "event": "Older.", "timestamp": "2026-01-01T00:00:00Z"}
                ),
                json.dumps({"level": "error", "event": "No\nroom\x1b[2J.", "error": "disk full"}),
                json.dumps({"level": "info", "event": "Later."}),
                '{"level": "error", "event": "cut o',
            ],
            "- No room[2J. disk full",
        ),
    ],
)
def test_the_last_trouble_of_a_log_is_one_safe_line(lines: list[str], told: str) -> None:
    assert trouble("\n".join(lines)) == told


@pytest.mark.parametrize(
    ("lock", "found"),
    [
        pytest.param(str(os.getpid()), os.getpid(), id="this one"),
        ("0", None),
        ("-1", None),
        ("9" * 30, None),
        ("x", None),
        ("", None),
    ],
)
def test_the_holder_is_a_living_process_that_the_lock_names(
    tmp_path: Path, lock: str, found: int | None
) -> None:
    assert holder(tmp_path) is None
    (tmp_path / "server.lock").write_text(lock)
    assert holder(tmp_path) == found


def test_looking_changes_nothing_and_never_fails(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert look(home) == Seen(home, exists=False)
    (home / "logs" / "server.log").mkdir(parents=True)
    assert look(home) == Seen(home, exists=True)
    assert look(Path("/dev/null")).exists is False
