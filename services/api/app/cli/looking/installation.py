"""The state directory, the configuration and the service: what can be known without a server."""

import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from app.cli.looking.checks import Check, stands, worth_a_look, wrong
from app.cli.outcomes import CommandError
from app.cli.text import duration, one_line

_AHEAD_S: Final = 60
_WRITTEN: Final = ("lmx.db", "lmx.db-wal", "logs/server.log")
_SET_CLOCK: Final = "Set the clock: timedatectl set-ntp true; on macOS in Settings, Date & Time."


def state(home: Path) -> list[Check]:
    """Owners, modes and the file system, as a start of the server looks at them."""
    from app.home import findings

    try:
        found = findings(home) if home.exists() else None
    except OSError as error:
        return [wrong("state directory", f"{home}: {error.strerror}.", "Make it readable: ls -ld")]
    if found is None:
        return [stands("state directory", f"{home} is made at the first start")]
    bad = [one for one in found if not one.ok]
    return [
        Check(one.name, stands=False, why=one.why, do=one.do, grave=one.fatal) for one in bad
    ] or [stands("state directory", f"{home}: yours, closed to others")]


def clock(written_s: float, now_s: float) -> Check:
    """`written_s`: when the newest file of the server's was written, 0 where there is none."""
    ahead = written_s - now_s
    if ahead > _AHEAD_S:
        return wrong(
            "clock",
            f"It was set back: what the server wrote last is {duration(ahead)} in the future.",
            _SET_CLOCK,
        )
    return stands("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s)))


def last_written_s(home: Path) -> float:
    times = [0.0]
    for name in _WRITTEN:
        try:
            times.append((home / name).stat().st_mtime)
        except OSError:
            continue
    return max(times)


def configuration(home: Path) -> list[Check]:
    """Whether config.yaml can be used, and what it says of the hub. Nothing connects to it."""
    from app.configuration.reading import Unusable, loaded

    path = home / "config.yaml"
    try:
        settings = loaded(path).settings
    except Unusable as error:
        first = one_line(error.problems[0]) if error.problems else ""
        return [
            wrong("configuration", f"{path} cannot be used: {first}", f"lmx config check {path}")
        ]
    said = str(path) if path.exists() else f"all is the default: there is no {path} yet"
    return [stands("configuration", said), hub(settings.hub)]


def hub(settings: Any) -> Check:
    host, token = urlsplit(settings.endpoint).hostname, settings.token_file
    said = f"not tried: nothing connects to {host} unless a person confirms a pull"
    if token is not None and not Path(token).expanduser().is_file():
        return worth_a_look(
            "hub",
            f"hub.token_file names {token}, which is not there.",
            "Make it, or set it to null.",
        )
    return stands("hub", said)


def service() -> Check:
    """Whether a service starts the server; one started by hand is no fault."""
    from app.cli.service_standing import standing

    try:
        found = standing()
    except (CommandError, OSError) as error:
        return worth_a_look("service", one_line(error), "Start the server by hand: lmx serve")
    if found.foreign:
        return worth_a_look(
            "service", f"{found.unit} is not lmx's own.", "Look at it: lmx service status"
        )
    if not found.installed:
        return stands("service", "not installed: started by hand (lmx service install)")
    if not found.running:
        why = f"It is installed and does not run ({found.state})."
        return worth_a_look("service", why, "See why: lmx service status")
    return stands("service", f"runs, {found.unit}")
