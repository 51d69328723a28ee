"""What doctor makes of facts: each fault has its sentence and what to do about it."""

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.doctor import _here
from app.cli.looking import installation, machine, port, serving
from app.cli.looking.checks import Check
from app.cli.looking.machine import GIB, Machine

WELL = Machine(
    python=(3, 12, 1),
    system="Linux",
    machine="x86_64",
    memory_total=64 * GIB,
    memory_available=60 * GIB,
    swap_used=0,
    volumes=(("state", 90 * GIB, 9_000_000),),
    files_hard=None,
    packages={"httpx": ("1.0", "1.0"), "numpy": ("2.4 or 2.5", "2.4")},
)
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "safe_mode": None,
    "ledger": {"size": 9, "available": True, "sinks": []},
    "guardrails": {"trouble": None},
    "memory": {"budget_bytes": GIB},
}


def failing(checks: list[Check]) -> list[str]:
    bad = [check for check in checks if not check.stands]
    assert all(check.why and check.do for check in bad)
    return [check.name for check in bad]


def test_a_machine_that_is_well_has_nothing_to_do() -> None:
    assert failing(machine.checks(WELL)) == []


@pytest.mark.parametrize(
    ("change", "name", "grave"),
    [
        ({"python": (3, 10, 9)}, "python", True),
        ({"system": "FreeBSD"}, "platform", False),
        ({"packages": {"httpx": ("1.0", "0.9")}}, "packages", True),
        ({"memory_total": 4 * GIB}, "memory", False),
        ({"swap_used": 32 * GIB}, "swap", False),
        ({"files_hard": 256}, "open files", True),
        ({"volumes": (("state", GIB, -1),)}, "disk: state", True),
        ({"volumes": (("state", 90 * GIB, 3),)}, "disk: state", True),
    ],
)
def test_each_fault_of_a_machine_is_named(change: dict[str, Any], name: str, grave: bool) -> None:
    checks = machine.checks(replace(WELL, **change))
    assert failing(checks) == [name]
    assert any(check.fails for check in checks) is grave


def test_a_lock_may_name_a_package_twice_for_two_kinds_of_python() -> None:
    text = "# Written.\na==1 ; x \\\n    --hash=sha256:0\nb[extra]==2\na==3 ; y\n-e .\n"
    assert machine.locked(text) == {"a": "1 or 3", "b": "2"}


def test_this_machine_can_be_looked_at_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMX_HOME", str(tmp_path))
    names = {check.name for check in _here()}
    assert {"python", "packages", "memory", "clock", "configuration", "hub", "service"} <= names
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_that_others_can_read_is_a_fault_with_its_cure(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = installation.state(tmp_path)
    assert failing(found)
    assert "chmod 700" in found[0].do
    tmp_path.chmod(0o700)
    assert failing(installation.state(tmp_path)) == []


def test_a_clock_that_was_set_back_is_seen_by_what_was_written_later(tmp_path: Path) -> None:
    (tmp_path / "lmx.db").touch()
    os.utime(tmp_path / "lmx.db", (10_000, 10_000))
    written = installation.last_written_s(tmp_path)
    assert installation.clock(written, 10_030.0).stands
    late = installation.clock(written, 5_000.0)
    assert "1 h 23 min in the future" in late.why
    assert installation.last_written_s(tmp_path / "nowhere") == 0


def test_a_configuration_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("prot: 1\n")
    assert failing(installation.configuration(tmp_path)) == ["configuration"]
    (tmp_path / "config.yaml").write_text("hub:\n  token_file: /nowhere/token\n")
    assert failing(installation.configuration(tmp_path)) == ["hub"]
    (tmp_path / "config.yaml").unlink()
    assert failing(installation.configuration(tmp_path)) == []


def test_the_port_is_free_ours_or_somebody_elses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        assert port.is_taken(url)
    assert not port.is_taken(url)
    assert port.judge(url, taken=True, ours=True).stands
    assert port.judge(url, taken=False, ours=False).stands
    assert "LM Studio" in port.judge(url, taken=True, ours=False).do


@pytest.mark.parametrize(
    ("change", "name", "grave"),
    [
        ({}, None, False),
        ({"version": "9"}, "release", True),
        ({"safe_mode": "It crashed."}, "normal start", True),
        ({"ledger": {"available": False}}, "ledger", True),
        ({"ledger": None}, "ledger", True),
        ({"guardrails": {"trouble": "Altered."}}, "guardrails", True),
        ({"memory": {"budget_bytes": 0}}, "memory budget", False),
    ],
)
def test_each_fault_of_a_server_is_named(
    change: dict[str, Any], name: str | None, grave: bool
) -> None:
    checks = serving.checks(STATUS | change, {"database": True}, "0.1.0")
    assert failing(checks) == ([name] if name else [])
    assert any(check.fails for check in checks) is grave


@pytest.mark.parametrize("required", [True, False])
def test_a_copy_that_lags_fails_only_where_acts_need_it(required: bool) -> None:
    sink = {"name": "nas", "path": "/mnt", "ok": False, "lag": 3, "why": "x", "required": required}
    ledger = {"size": 9, "available": True, "sinks": [sink]}
    checks = serving.checks(STATUS | {"ledger": ledger}, {}, "0.1.0")
    assert failing(checks) == ["copy nas"]
    assert any(check.fails for check in checks) is required


def test_a_part_that_is_not_ready_is_named() -> None:
    checks = serving.checks(STATUS, {"ledger": True, "database": False}, "")
    assert failing(checks) == ["database"]
