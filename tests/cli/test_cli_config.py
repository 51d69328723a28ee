"""`lmx config`: with a server and without one, with a file that is right and one that is not."""

import json
import shlex
from pathlib import Path

import pytest

from app.configuration.schema import schema
from tests.cli.runs import Run
from tests.fakes.authority_http import FakeAuthority

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
ROWS = [
    {"name": "port", "value": 1234, "default": 1234, "origin": "config.yaml line 4"},
    {
        "name": "slots",
        "value": 4.0,
        "default": 4,
        "origin": "default",
        "waiting": {"value": 2, "origin": "config.yaml line 5", "for": "restart"},
    },
    {"name": "limits.per_minute", "value": 30, "default": 0, "origin": "config.yaml line 9"},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory, and no server."""
    monkeypatch.setenv("LMX_HOME", str(tmp_path))
    monkeypatch.setenv("LMX_URL", NOWHERE)
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "config.yaml").write_text(text, "utf-8")


@pytest.fixture
def served(authority: FakeAuthority) -> FakeAuthority:
    authority.scripted = {
        "/authority/config": {
            "file": "/x/config.yaml",
            "home": "/x",
            "settings": ROWS,
            "problems": [],
        },
        "/authority/config/reload": {"changed": ["queue_limit"], "waiting": ["slots"], "event": 12},
    }
    return authority


def test_a_server_says_what_holds_there_and_what_waits(lmx: Run, served: FakeAuthority) -> None:
    ended = lmx("config", "show")
    assert ended.code == 0
    assert ["port", "1234", "config.yaml", "line", "4"] in [
        line.split() for line in ended.out.splitlines()
    ]
    assert "slots: 2 in config.yaml line 5 waits for a restart." in ended.out
    assert "The server keeps its state in /x." in ended.err


def test_only_what_is_not_the_default_is_shown_when_asked(lmx: Run, served: FakeAuthority) -> None:
    rows = json.loads(lmx("config", "show", "--changed", "--json").out)["settings"]
    assert [row["name"] for row in rows] == ["slots", "limits.per_minute"]


def test_a_reload_says_what_counts_and_what_waits(lmx: Run, served: FakeAuthority) -> None:
    ended = lmx("config", "reload")
    assert ended.out == "In force now: queue_limit (event 12).\nWaits for a restart: slots.\n"


def test_a_refused_reload_says_every_problem(lmx: Run, served: FakeAuthority) -> None:
    found = ["line 1: `prot` is unknown", "line 2: a tab stands here"]
    served.problem = 422, {"detail": "No.", "code": "config_invalid", "problems": found}
    ended = lmx("config", "reload")
    assert ended.code == 2
    assert ended.err.splitlines() == [*found, "lmx: No. [config_invalid]"]


def test_without_a_server_the_file_is_shown_and_that_is_said(lmx: Run, home: Path) -> None:
    write(home, "slots: 2\n")
    ended = lmx("config", "show", "--changed")
    assert ended.code == 0
    assert ended.out.split() == "SETTING VALUE FROM slots 2 config.yaml line 1".split()
    assert "what the next start would use" in ended.err


def test_a_check_needs_no_server_and_says_everything(lmx: Run, home: Path) -> None:
    assert lmx("config", "check").out.startswith("There is no ")
    write(home, "port: 1235\n")
    right = lmx("config", "check")
    assert (right.code, right.err) == (0, "")
    assert right.out == f"{home}/config.yaml can be used. Not the default: port.\n"
    write(home, "prot: 1\nslots: many\n")
    wrong = lmx("config", "check")
    assert wrong.code == 1
    assert wrong.out.splitlines() == [
        "line 1: `prot` is unknown; did you mean `port`?",
        "line 2: `slots` is a whole number, and a text stands there: write for example `slots: 4`",
    ]
    listed = json.loads(lmx("config", "check", "--json").out)
    assert [problem["line"] for problem in listed["problems"]] == [1, 2]
    shown = lmx("config", "show")
    assert (shown.code, shown.out) == (1, "")


def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(lmx: Run, home: Path) -> None:
    ended = lmx("config", "check", str(home / "other.yaml"))
    assert (ended.code, ended.err) == (2, f"lmx: There is no {home}/other.yaml.\n")


def test_the_schema_is_printed_for_editors(lmx: Run) -> None:
    assert json.loads(lmx("config", "schema").out) == schema()


def test_every_command_of_the_page_works(lmx: Run, served: FakeAuthority) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    commands = [line[6:] for line in page.splitlines() if line.startswith("$ lmx ")]
    assert len(commands) == 4
    for command in commands:
        arguments = shlex.split(command.split(">")[0])
        assert lmx(*arguments).code == 0, command


def test_a_server_does_not_start_on_a_file_that_is_wrong_and_says_all_of_it(
    lmx: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.main.signal.signal", lambda *_: None)  # this process keeps its own
    home.chmod(0o700)
    write(home, "prot: 1\nlimits:\n\tconcurrent: 1\n")
    (home / "config.yaml").chmod(0o600)
    tab = lmx("serve", "--port", "1399")
    assert (tab.code, tab.out) == (1, "")
    assert "line 3: cannot be read: a tab stands here: use spaces" in tab.err
    write(home, "prot: 1\nslots: many\n")
    ended = lmx("serve", "--port", "1399")
    assert ended.code == 1
    assert "line 1: `prot` is unknown; did you mean `port`?" in ended.err
    assert "line 2: `slots`" in ended.err
    assert not (home / "lmx.db").exists()
