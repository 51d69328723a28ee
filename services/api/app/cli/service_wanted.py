"""Which service is wanted: whose, of which program, for which state, and on no other port."""

import math
import os
import pwd
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from app.cli.outcomes import CommandError, ExitCode
from app.cli.service_units import PORT, Wanted, refuse_unusable

_AFTER_DRAIN_S: Final = 30
"""Of a stop beside the drain: answers end within 10 s, a worker within 5, then the last record."""


def wanted_service(
    *, system: bool, user_name: str | None, home: Path | None
) -> tuple[Wanted, pwd.struct_passwd]:
    if user_name is not None and not system:
        raise CommandError(
            "--user-name goes with --system: a service of this account runs as this account.",
            exit_code=ExitCode.USAGE,
        )
    owner = _account(user_name) if system else pwd.getpwuid(os.getuid())
    place = home or Path(owner.pw_dir) / ".lmx"
    place = place.expanduser().absolute()
    refuse_unusable("home", str(place))
    if place.exists() and place.stat().st_uid != owner.pw_uid:
        raise CommandError(
            f"{place} does not belong to {owner.pw_name}, who is to run the server. Make it theirs "
            f"(sudo chown -R {owner.pw_name} {shlex.quote(str(place))}), or choose another one "
            "with --home.",
            exit_code=ExitCode.REFUSED,
        )
    wanted = Wanted(
        program=program(),
        home=place,
        account=owner.pw_name,
        stop_s=math.ceil(_drain_s(place)) + _AFTER_DRAIN_S,
        system=system,
    )
    return wanted, owner


def _account(name: str | None) -> pwd.struct_passwd:
    """Whose service it becomes: root's only where somebody says so."""
    if name is None:
        name = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
        if name == "root":
            raise CommandError(
                "Name the account that the server runs as: --user-name NAME. One of its own is "
                "best: sudo useradd --system --create-home lmx",
                exit_code=ExitCode.USAGE,
            )
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise CommandError(
            f"This machine has no account {name!r}.", exit_code=ExitCode.USAGE
        ) from None


def program() -> Path:
    beside = Path(sys.executable).parent / "lmx"
    found = str(beside) if beside.exists() else shutil.which("lmx")
    if found is None:
        raise CommandError(
            "The command lmx is not installed, so a service could not start it: make setup"
        )
    return Path(found).absolute()


def _drain_s(home: Path) -> float:
    """Read from its configuration, which may not name another port (rule G-DEPLOY-02)."""
    from app.configuration.reading import load_settings
    from app.domain.refusals import StartRefused

    try:
        settings = load_settings(home)
    except StartRefused as refused:
        raise CommandError(refused.message, exit_code=ExitCode.USAGE) from None
    if settings.port != PORT:
        raise CommandError(
            f"{home / 'config.yaml'} names port {settings.port}. A service listens on {PORT}, "
            "where clients look for it (rule G-DEPLOY-02). Write `port: 1234` there, or run the "
            "server by hand: lmx serve",
            exit_code=ExitCode.REFUSED,
        )
    return settings.drain_timeout_s


def again(wanted: Wanted) -> tuple[str, ...]:
    return (
        *(str(wanted.program), "service", "install", "--system"),
        *("--user-name", wanted.account, "--home", str(wanted.home)),
    )
