"""How the service of this machine stands: its file, and what its supervisor says of it."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from app.cli import service_commands
from app.cli.outcomes import CommandError
from app.cli.service_steps import Supervisor, looking, unit_path
from app.cli.service_units import is_ours, launchctl_state, shown_properties


@dataclass(frozen=True, slots=True)
class Standing:
    """`installed`: a file of ours is there; `foreign`: one that is not ours is.

    `state`: in the supervisor's word, "unknown" where it cannot be asked, and then `why`.
    """

    supervisor: Supervisor
    system: bool
    unit: Path
    installed: bool
    foreign: bool
    running: bool
    state: str
    enabled: bool | None = None
    pid: int | None = None
    restarts: int | None = None
    lingers: bool | None = None
    """Whether it runs without a login; None where that is no question or is not known."""
    why: str = ""


def supervisor() -> Supervisor:
    """What starts services on this machine."""
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform.startswith("linux"):
        return "systemd"
    raise CommandError(f"Services are made on Linux and macOS, not on {sys.platform}.")


def standing(*, system: bool | None = None) -> Standing:
    """How it stands; `system`: of the machine or of this account, None: whichever is installed."""
    kind = supervisor()
    home = Path.home()
    if system is None:
        own = unit_path(kind, system=False, user_home=home)
        whole = unit_path(kind, system=True, user_home=home)
        system = not own.exists() and whole.exists()
    path = unit_path(kind, system=system, user_home=home)
    text = text_of(path)
    asked = service_commands.run(looking(kind, system=system, uid=os.getuid()).words, timeout_s=10)
    found = _systemd if kind == "systemd" else _launchd
    return found(
        Standing(
            supervisor=kind,
            system=system,
            unit=path,
            installed=text is not None and is_ours(text),
            foreign=text is not None and not is_ours(text),
            running=False,
            state="unknown",
        ),
        asked,
    )


def text_of(path: Path) -> str | None:
    """What the file says; None where there is none. What is no readable file is foreign text."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError):
        return ""


def _systemd(bare: Standing, asked: service_commands.Ran) -> Standing:
    if asked.code:
        return replace(bare, why=asked.said or f"systemctl ended with {asked.code}")
    said = shown_properties(asked.out)
    return replace(
        bare,
        running=said.get("ActiveState") == "active",
        state=f"{said.get('ActiveState', 'unknown')} ({said.get('SubState', 'unknown')})",
        enabled=said.get("UnitFileState") == "enabled",
        pid=_number(said.get("MainPID")) or None,
        restarts=_number(said.get("NRestarts")),
        lingers=None if bare.system else _lingers(),
    )


def _launchd(bare: Standing, asked: service_commands.Ran) -> Standing:
    if asked.code:
        why = asked.said or f"launchctl ended with {asked.code}"
        return replace(bare, state="not loaded", enabled=False, why=why)
    said = launchctl_state(asked.out)
    return replace(
        bare,
        running=said.get("state") == "running",
        state=said.get("state", "unknown"),
        enabled=True,
        pid=_number(said.get("pid")),
        restarts=max(0, (_number(said.get("runs")) or 1) - 1),
    )


def _lingers() -> bool | None:
    asked = service_commands.run(
        ("loginctl", "show-user", str(os.getuid()), "-p", "Linger"), timeout_s=10
    )
    said = shown_properties(asked.out).get("Linger")
    return None if asked.code or said is None else said == "yes"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
