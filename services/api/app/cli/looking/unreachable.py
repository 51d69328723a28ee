"""Why no server answers, as far as can be told from here, and what to do: most likely first."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.text import one_line

_TAIL_BYTES: Final = 32_768
_TOLD_CHARACTERS: Final = 300
_TROUBLE: Final = frozenset({"warning", "error", "critical"})


@dataclass(frozen=True, slots=True)
class Seen:
    """`holder`: the living process that the state directory's lock names. `log`: None where there
    is none; `trouble`: the last warning or error in it."""

    home: Path
    exists: bool
    holder: int | None = None
    log: Path | None = None
    trouble: str = ""


def hints(url: str, seen: Seen) -> tuple[str, ...]:
    """Each a sentence with what to do."""
    found = [_running(url, seen)]
    found.append(f"Does it listen elsewhere? This asked {url}: set LMX_URL, or give --server URL.")
    if seen.exists:
        found.append(f"Is its state elsewhere? This looked at {seen.home}: set LMX_HOME.")
    if seen.log is not None:
        last = f" Its last trouble: {seen.trouble}" if seen.trouble else ""
        found.append(f"Its log: {seen.log}.{last}")
    found.append("What stands and what does not on this machine: lmx doctor")
    return tuple(found)


def _running(url: str, seen: Seen) -> str:
    if seen.holder is not None:
        return (
            f"Process {seen.holder} holds {seen.home}: it is starting or stopping, or it listens "
            f"on another port than {url.rpartition(':')[2]}. Wait, or look at its log."
        )
    where = (
        f"No server holds {seen.home}"
        if seen.exists
        else f"No server was ever started on {seen.home}"
    )
    return (
        f"{where}. Start one: make run (or lmx serve). As a service: lmx service status says "
        "whether it runs."
    )


def look(home: Path) -> Seen:
    """Never raises: what cannot be read is not known."""
    log = home / "logs" / "server.log"
    try:
        exists = home.is_dir()
        has_log = log.is_file()
    except OSError:
        return Seen(home, exists=False)
    return Seen(
        home,
        exists=exists,
        holder=holder(home),
        log=log if has_log else None,
        trouble=trouble(_tail(log)) if has_log else "",
    )


def holder(home: Path) -> int | None:
    """The process that the lock names, where there is one: it is only read, since a lock that is
    tried, even for a moment, could refuse a server that is just starting."""
    try:
        process = int((home / "server.lock").read_text("ascii").split()[0])
        if process <= 0:  # to `kill`, those are groups
            return None
    except (OSError, ValueError, IndexError):
        return None
    try:
        os.kill(process, 0)
    except PermissionError:
        return process  # it lives, and is somebody else's
    except (OSError, OverflowError):
        return None
    return process


def trouble(log: str) -> str:
    """What the last warning or error of these JSON lines says, in one line; else empty."""
    for line in reversed(log.splitlines()):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict) and said.get("level") in _TROUBLE:
            why = said.get("error") or said.get("reason") or ""
            told = one_line(f"{said.get('event')} {why}")
            return f"{one_line(said.get('timestamp'))[:19]} {told}"[:_TOLD_CHARACTERS].strip()
    return ""


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
