"""`lmx service`: what is written, run and said, on a machine whose supervisor is played."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli import service_commands
from app.cli.service_commands import NOT_FOUND, Ran
from app.cli.service_steps import Command, after_removal, installing, uninstalling
from app.cli.service_units import Wanted
from tests.cli.runs import Run, squeezed

NO_BUS = Ran(1, "", "Failed to connect to bus: No medium found")
RUNS = "ActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=41\nNRestarts=2\n"


class Supervisor:
    """Answers commands: `answers` by the words they contain, else all is well and silent."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.answers: dict[str, Ran] = {}

    def run(self, words: Sequence[str], *, timeout_s: float = 0) -> Ran:
        typed = " ".join(words)
        self.ran.append(typed)
        found = (answer for part, answer in self.answers.items() if part in typed)
        return next(found, Ran(0, "", ""))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Supervisor:
    made = Supervisor()
    monkeypatch.setattr(service_commands, "run", made.run)
    monkeypatch.setattr("app.cli.service_standing.sys.platform", "linux")
    monkeypatch.setattr("app.cli.service_wanted.pwd.getpwuid", lambda _: account(tmp_path))
    monkeypatch.setattr("app.cli.service_standing.Path.home", lambda: tmp_path)
    monkeypatch.setenv("LMX_HOME", str(tmp_path / "my home"))
    return made


def account(home: Path) -> os.stat_result:
    import pwd

    return pwd.struct_passwd(("me", "x", os.getuid(), os.getgid(), "", str(home), "/bin/sh"))


def unit(home: Path) -> Path:
    return home / ".config" / "systemd" / "user" / "lmx.service"


def test_installing_writes_starts_and_says_how_to_go_on(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    ended = lmx("service", "install")
    assert (ended.code, ended.out) == (0, "")
    assert f'Environment="LMX_HOME={tmp_path}/my home"' in unit(tmp_path).read_text("utf-8")
    assert played.ran == [
        "systemctl --user daemon-reload",
        "systemctl --user enable lmx.service",
        "systemctl --user restart lmx.service",
    ]
    said = squeezed(ended.err)
    assert "sudo loginctl enable-linger me" in said
    assert "journalctl --user -u lmx" in said
    assert lmx("service", "install").code == 0  # again is an update


def test_a_dry_run_shows_all_and_does_nothing(lmx: Run, played: Supervisor, tmp_path: Path) -> None:
    ended = lmx("service", "install", "--dry-run")
    assert ended.code == 0
    assert f"# would write {unit(tmp_path)}" in ended.out
    assert "systemctl --user enable lmx.service" in ended.out
    assert lmx("service", "install", "--print").out.startswith("# LMX Authority as a service")
    assert played.ran == []
    assert not unit(tmp_path).exists()


def test_without_a_supervisor_the_file_is_there_and_the_rest_is_said(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    played.answers["systemctl"] = NO_BUS
    ended = lmx("service", "install")
    assert ended.code == 1
    assert unit(tmp_path).exists()
    said = squeezed(ended.err)
    assert "Failed to connect to bus" in said
    assert "run this instead: lmx serve" in said
    assert (
        "Run: systemctl --user daemon-reload systemctl --user enable lmx.service "
        "systemctl --user restart lmx.service"
    ) in said


def test_a_file_of_somebody_else_is_left_alone(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    unit(tmp_path).parent.mkdir(parents=True)
    unit(tmp_path).write_text("[Service]\nExecStart=/usr/bin/other\n", "utf-8")
    for act in ("install", "uninstall"):
        ended = lmx("service", act)
        assert ended.code == 3
        assert "not written by lmx" in squeezed(ended.err)
    assert "/usr/bin/other" in unit(tmp_path).read_text("utf-8")
    assert played.ran == []
    assert "lmx did not write" in squeezed(lmx("service", "status").out)


def test_another_port_is_refused_with_what_to_do(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    home = tmp_path / "my home"
    home.mkdir(mode=0o700)
    (home / "config.yaml").write_text("port: 4000\n", "utf-8")
    ended = lmx("service", "install")
    assert ended.code == 3
    assert "G-DEPLOY-02" in ended.err
    assert not unit(tmp_path).exists()
    (home / "config.yaml").write_text("prot: 1234\n", "utf-8")
    assert "prot" in lmx("service", "install").err


def test_a_server_that_was_started_by_hand_is_named_first(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    from app.home import hold_home

    home = tmp_path / "my home"
    home.mkdir(mode=0o700)
    with hold_home(home):
        ended = lmx("service", "install")
    assert ended.code == 3
    assert f"process {os.getpid()}" in ended.err
    assert not unit(tmp_path).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs no sudo")
def test_what_needs_root_says_the_whole_command(lmx: Run, played: Supervisor) -> None:
    ended = lmx("service", "install", "--system")
    assert ended.code == 3
    assert "sudo " in ended.err


def test_an_account_that_is_not_there_or_not_named_is_refused(
    lmx: Run, played: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lmx("service", "install", "--user-name", "me").code == 2
    ended = lmx("service", "install", "--system", "--user-name", "no-such-account")
    assert ended.code == 2
    assert "no account 'no-such-account'" in ended.err


def test_the_status_says_what_runs_and_ends_with_1_where_nothing_does(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    ended = lmx("service", "status")
    assert ended.code == 1
    assert "lmx service install" in ended.err
    lmx("service", "install")
    played.answers["show lmx.service"] = Ran(0, RUNS, "")
    played.answers["loginctl"] = Ran(0, "Linger=no\n", "")
    ended = lmx("service", "status")
    assert (ended.code, ended.err) == (0, "")
    shown = squeezed(ended.out)
    assert "state active (running)" in shown
    assert "without login no (sudo loginctl enable-linger" in shown
    told = json.loads(lmx("service", "status", "--json").out)
    assert (told["running"], told["pid"], told["restarts"], told["lingers"]) == (True, 41, 2, False)
    played.answers["show lmx.service"] = NO_BUS
    ended = lmx("service", "status")
    assert ended.code == 1
    assert "Failed to connect to bus" in squeezed(ended.out)
    assert "journalctl --user -u lmx" in squeezed(ended.err)


def test_uninstalling_stops_it_and_leaves_the_state(
    lmx: Run, played: Supervisor, tmp_path: Path
) -> None:
    assert lmx("service", "uninstall").code == 1  # nothing there
    (tmp_path / "my home").mkdir(mode=0o700)
    lmx("service", "install")
    played.ran.clear()
    ended = lmx("service", "uninstall")
    assert ended.code == 0
    assert played.ran == [
        "systemctl --user disable --now lmx.service",
        "systemctl --user daemon-reload",
    ]
    assert not unit(tmp_path).exists()
    assert (tmp_path / "my home").is_dir()
    assert f"The state stays: models, ledger and keys, in {tmp_path}/my home." in ended.err


@pytest.mark.parametrize("system", [False, True])
def test_on_a_mac_the_job_is_put_in_place_of_the_one_before(system: bool) -> None:
    """Not run on one: these are launchctl(1)'s commands, in the order that it wants them."""
    wanted = Wanted(Path("/opt/lmx"), Path("/Users/me/.lmx"), "me", 60, system)
    steps = installing("launchd", wanted, user_home=Path("/Users/me"), uid=501)
    where = "system" if system else "gui/501"
    path = steps.files[0].path
    assert str(path) == (
        "/Library/LaunchDaemons/com.opta.lmx.plist"
        if system
        else "/Users/me/Library/LaunchAgents/com.opta.lmx.plist"
    )
    assert [(command.words[1], command.may_fail) for command in steps.commands] == [
        ("bootout", True),
        ("enable", False),
        ("bootstrap", False),
    ]
    assert steps.commands[-1].words[2:] == (where, str(path))
    if system:
        assert str(steps.files[1].path) == "/etc/newsyslog.d/com.opta.lmx.conf"
        assert (Path("/var/log/opta-lmx"), "me") in steps.folders
    ends = uninstalling("launchd", system=system, uid=501).commands
    assert ends == (Command(("launchctl", "bootout", f"{where}/com.opta.lmx"), may_fail=True),)
    assert after_removal("launchd", system=system).commands == ()


def test_a_command_that_is_not_there_is_a_sentence() -> None:
    ran = service_commands.run(("no-such-supervisor", "start"))
    assert (ran.code, ran.said) == (NOT_FOUND, "no-such-supervisor is not on this machine")
    assert service_commands.run(("sleep", "5"), timeout_s=0.01).code == 1
