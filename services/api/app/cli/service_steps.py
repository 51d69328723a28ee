"""Which files and commands make a service of this machine, and which unmake it. Pure tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app.cli.service_units import (
    LABEL,
    Wanted,
    launchd_plist,
    newsyslog_conf,
    systemd_unit,
)

Supervisor = Literal["systemd", "launchd"]
UNIT: Final = "lmx.service"
LOGS: Final = Path("/var/log/opta-lmx")
NEWSYSLOG: Final = Path("/etc/newsyslog.d") / f"{LABEL}.conf"


@dataclass(frozen=True, slots=True)
class File:
    """A file to write; others may read it, as the supervisor's own account must."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run. `may_fail`: it undoes what may not be there.

    `attempts`: it is tried so often, a second apart, as what came before it may not have ended.
    """

    words: tuple[str, ...]
    may_fail: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Steps:
    """Folders, then files, then commands, in this order. `notes` are for the person."""

    folders: tuple[tuple[Path, str], ...] = ()
    """Each with the account that owns it."""
    files: tuple[File, ...] = ()
    commands: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()


def unit_path(supervisor: Supervisor, *, system: bool, user_home: Path) -> Path:
    """Where the service's file lies."""
    return {
        ("systemd", True): Path("/etc/systemd/system") / UNIT,
        ("systemd", False): user_home / ".config" / "systemd" / "user" / UNIT,
        ("launchd", True): Path("/Library/LaunchDaemons") / f"{LABEL}.plist",
        ("launchd", False): user_home / "Library" / "LaunchAgents" / f"{LABEL}.plist",
    }[supervisor, system]


def unit_text(supervisor: Supervisor, wanted: Wanted) -> str:
    return systemd_unit(wanted) if supervisor == "systemd" else launchd_plist(wanted)


def domain(*, system: bool, uid: int) -> str:
    """launchd's name for where a job runs."""
    return "system" if system else f"gui/{uid}"


def _systemctl(system: bool) -> tuple[str, ...]:
    return ("systemctl",) if system else ("systemctl", "--user")


def installing(supervisor: Supervisor, wanted: Wanted, *, user_home: Path, uid: int) -> Steps:
    """What makes the service, and starts it. Doing it twice is doing it once."""
    path = unit_path(supervisor, system=wanted.system, user_home=user_home)
    unit = File(path, unit_text(supervisor, wanted))
    if supervisor == "systemd":
        control = _systemctl(wanted.system)
        lingering = (
            f"It runs while {wanted.account} is logged in. To let it run from boot on, without a "
            f"login: sudo loginctl enable-linger {wanted.account}"
        )
        return Steps(
            # The unit's namespace needs the directory that it may write to.
            folders=((wanted.home, wanted.account),) if wanted.system else ((path.parent, ""),),
            files=(unit,),
            commands=(
                Command((*control, "daemon-reload")),
                Command((*control, "enable", UNIT)),
                Command((*control, "restart", UNIT)),
            ),
            notes=() if wanted.system else (lingering,),
        )
    where = domain(system=wanted.system, uid=uid)
    begun = (
        Command(("launchctl", "bootout", f"{where}/{LABEL}"), may_fail=True),
        Command(("launchctl", "enable", f"{where}/{LABEL}")),
        Command(("launchctl", "bootstrap", where, str(path)), attempts=10),
    )
    if wanted.system:
        rotation = File(NEWSYSLOG, newsyslog_conf(wanted))
        owned = ((wanted.home, wanted.account), (LOGS, wanted.account))
        return Steps(owned, (unit, rotation), begun)
    note = (
        f"It runs while {wanted.account} is logged in. To let it run from boot on, without a "
        "login: lmx service install --system"
    )
    return Steps(((path.parent, ""), (wanted.home / "logs", "")), (unit,), begun, (note,))


def uninstalling(supervisor: Supervisor, *, system: bool, uid: int) -> Steps:
    """What stops the service for good. Its files are removed between the two rows of commands."""
    if supervisor == "systemd":
        return Steps(commands=(Command((*_systemctl(system), "disable", "--now", UNIT)),))
    where = domain(system=system, uid=uid)
    return Steps(commands=(Command(("launchctl", "bootout", f"{where}/{LABEL}"), may_fail=True),))


def after_removal(supervisor: Supervisor, *, system: bool) -> Steps:
    if supervisor == "systemd":
        return Steps(commands=(Command((*_systemctl(system), "daemon-reload")),))
    return Steps()


def looking(supervisor: Supervisor, *, system: bool, uid: int) -> Command:
    """The command that says how the service stands."""
    if supervisor == "systemd":
        names = "LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result"
        return Command((*_systemctl(system), "show", UNIT, "-p", names))
    return Command(("launchctl", "print", f"{domain(system=system, uid=uid)}/{LABEL}"))


def steering(supervisor: Supervisor, *, system: bool, uid: int) -> dict[str, str]:
    """How a person stops it, starts it anew and reads its output: for the end of an install."""
    sudo = "sudo " if system else ""
    if supervisor == "systemd":
        control = " ".join(_systemctl(system))
        return {
            "stop": f"{sudo}{control} stop lmx",
            "restart": f"{sudo}{control} restart lmx",
            "output": "journalctl -u lmx" if system else "journalctl --user -u lmx",
        }
    where = domain(system=system, uid=uid)
    logs = str(LOGS) if system else "LMX_HOME/logs"
    return {
        "stop": f"{sudo}launchctl bootout {where}/{LABEL}",
        "restart": f"{sudo}launchctl kickstart -k {where}/{LABEL}",
        "output": f"tail -n 50 {logs}/err.log",
    }
