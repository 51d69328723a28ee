"""What a service's files say is what was meant, whatever the paths, and valid to its readers."""

import os
import plistlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from app.cli.outcomes import CommandError
from app.cli.service_units import (
    LABEL,
    PORT,
    Wanted,
    home_named_in,
    is_ours,
    launchctl_state,
    launchd_plist,
    newsyslog_conf,
    quoted,
    refuse_unusable,
    shown_properties,
    systemd_unit,
)

ODD = 'it\'s a "home" of 50% $HOME ${X} \\n @USER@ <b>&amp; ü;#'
LEVELS = pytest.mark.parametrize("system", [False, True], ids=["of an account", "of the machine"])


def wanted(*, system: bool, home: str = "/srv/lmx", program: str = "/opt/lmx/bin/lmx") -> Wanted:
    return Wanted(Path(program), Path(home), "bots", 60, system)


def directives(unit: str) -> dict[str, str]:
    lines = [line for line in unit.splitlines() if line and line[0] not in "#["]
    return dict(line.split("=", 1) for line in lines)


def unquoted(value: str) -> list[str]:
    """As systemd reads words (systemd.syntax(7)): quotes and escapes of a shell, then `%%`."""
    return [word.replace("%%", "%") for word in shlex.split(value)]


@LEVELS
def test_the_unit_listens_on_one_port_and_keeps_what_was_given(system: bool) -> None:
    text = systemd_unit(wanted(system=system, home=f"/srv/{ODD}"))
    assert home_named_in(text) == Path(f"/srv/{ODD}")
    unit = directives(text)
    assert unquoted(unit["ExecStart"]) == ["/opt/lmx/bin/lmx", "serve", "--port", str(PORT)]
    assert unquoted(unit["Environment"]) == [f"LMX_HOME=/srv/{ODD}"]
    assert unit["TimeoutStopSec"] == "60"
    if system:
        assert unquoted(unit["ReadWritePaths"]) == [f"/srv/{ODD}"]
        assert unit["User"] == "bots"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@LEVELS
@pytest.mark.parametrize("name", ["plain", "with a space", "50%%n", "ü;#@"])
def test_systemd_finds_nothing_to_say_about_it(tmp_path: Path, system: bool, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    program = place / "lmx"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    unit = systemd_unit(Wanted(program, tmp_path / ODD, "root", 60, system))
    assert verified(tmp_path, unit, system) == ""
    if "%" in name:  # what the doubling is for: the program would be looked for elsewhere
        assert "not executable" in verified(tmp_path, unit.replace("%%", "%"), system)


def verified(directory: Path, unit: str, system: bool) -> str:
    """What `systemd-analyze verify` complains of."""
    path = directory / "lmx.service"
    path.write_text(unit, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", *([] if system else ["--user"]), "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "XDG_RUNTIME_DIR": str(directory), "HOME": str(directory)},
    )
    return "".join(f"{line}\n" for line in done.stderr.splitlines() if "lmx.service" in line)


def test_the_unit_of_the_machine_gives_no_privilege_away() -> None:
    unit = directives(systemd_unit(wanted(system=True)))
    hardened = "NoNewPrivileges PrivateTmp RestrictNamespaces ProtectKernelTunables".split()
    assert {unit[name] for name in hardened} == {"yes"}
    assert (unit["ProtectSystem"], unit["CapabilityBoundingSet"]) == ("strict", "")
    assert (unit["UMask"], unit["OOMPolicy"], unit["KillMode"]) == ("0077", "continue", "mixed")


@pytest.mark.parametrize("letter", ['"', "'", "\\", "$"])
def test_a_program_that_systemd_cannot_name_is_refused(letter: str) -> None:
    with pytest.raises(CommandError, match="Install lmx in another place"):
        systemd_unit(wanted(system=False, program=f"/opt/a{letter}b/lmx"))


@LEVELS
def test_the_property_list_keeps_what_was_given(system: bool) -> None:
    text = launchd_plist(wanted(system=system, home=f"/Users/{ODD}", program=f"/opt/{ODD}/lmx"))
    read = plistlib.loads(text.encode())
    assert read["Label"] == LABEL
    assert read["ProgramArguments"] == [f"/opt/{ODD}/lmx", "serve", "--port", str(PORT)]
    assert read["EnvironmentVariables"] == {"LMX_HOME": f"/Users/{ODD}"}
    assert home_named_in(text) == Path(f"/Users/{ODD}")
    assert (read["KeepAlive"], read["RunAtLoad"], read["ThrottleInterval"]) == (True, True, 10)
    assert read["ExitTimeOut"] == 60
    assert read["Umask"] == 0o077
    assert ("UserName" in read) is system
    logs = "/var/log/opta-lmx" if system else f"/Users/{ODD}/logs"
    assert read["StandardOutPath"] == f"{logs}/out.log"
    assert read["StandardErrorPath"] == f"{logs}/err.log"


@pytest.mark.skipif(shutil.which("plutil") is None, reason="needs macOS")
@LEVELS
def test_a_mac_finds_nothing_to_say_about_it(tmp_path: Path, system: bool) -> None:
    path = tmp_path / f"{LABEL}.plist"
    path.write_text(launchd_plist(wanted(system=system, home=f"/Users/{ODD}")), "utf-8")
    subprocess.run(["plutil", "-lint", str(path)], check=True, timeout=30)


def test_both_files_of_the_daemon_are_rotated() -> None:
    rows = [row.split() for row in newsyslog_conf(wanted(system=True)).splitlines()]
    rows = [row for row in rows if row and row[0] != "#" and row[0][0] != "#"]
    assert [row[0] for row in rows] == [f"/var/log/opta-lmx/{n}.log" for n in ("out", "err")]
    assert all(row[1:] == ["bots:wheel", "640", "5", "1024", "*", "N"] for row in rows)


def test_all_that_is_written_is_known_again_as_ours_and_nothing_else_is() -> None:
    for system in (False, True):
        assert is_ours(systemd_unit(wanted(system=system)))
        assert is_ours(launchd_plist(wanted(system=system)))
    assert is_ours(newsyslog_conf(wanted(system=True)))
    assert not is_ours("[Service]\nExecStart=/usr/bin/lmx\n")
    assert not is_ours("")


@pytest.mark.parametrize(
    "path", ["/a\nb", "/a\rb", "/a\0b", "/a\x85b", "/a\u2028b", "relative", "", "/", "/\udcff"]
)
def test_what_no_unit_can_hold_is_refused(path: str) -> None:
    with pytest.raises(CommandError, match="cannot name it"):
        refuse_unusable("home", path)


@pytest.mark.parametrize("account", ["", "a b", "a\nUser=root", "%u", "$USER", "-x", "é"])
def test_an_account_that_would_be_read_as_something_else_is_refused(account: str) -> None:
    with pytest.raises(CommandError, match="--user-name"):
        Wanted(Path("/opt/lmx"), Path("/srv/lmx"), account, 60, system=True)


def test_plain_words_are_not_quoted() -> None:
    assert quoted("/opt/lmx-1.0/bin/lmx") == "/opt/lmx-1.0/bin/lmx"
    assert quoted("a b") == '"a b"'


def test_the_templates_hold_no_path_of_a_machine() -> None:
    deploy = Path(__file__).parents[3] / "services" / "deploy"
    texts = [*(deploy / "systemd").iterdir(), *(deploy / "launchd").iterdir()]
    assert len(texts) == 5
    for path in texts:
        assert not re.search(r"/(home|Users|root|work)/", path.read_text("utf-8")), path


def test_what_supervisors_say_is_read() -> None:
    assert shown_properties("ActiveState=active\nMainPID=12\n\nbroken\nA=b=c") == {
        "ActiveState": "active",
        "MainPID": "12",
        "A": "b=c",
    }
    said = (
        "gui/501/com.opta.lmx = {\n\tactive count = 1\n\tstate = running\n\tpid = 4242\n"
        "\truns = 3\n\tlast exit code = 0\n\tendpoints = {\n\t\tstate = other\n\t}\n}\n"
    )
    assert launchctl_state(said) == {
        "state": "running",
        "pid": "4242",
        "runs": "3",
        "last exit code": "0",
    }
