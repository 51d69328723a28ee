"""What a service's files say: templates of services/deploy, filled in and quoted.

Pure text, but for reading the templates. What no format can hold is refused, never escaped into
something else.
"""

import plistlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.parsers.expat import ExpatError

from app.cli.outcomes import CommandError, ExitCode

LABEL: Final = "com.opta.lmx"
PORT: Final = 1234
MARK: Final = "Filled in by: lmx service install"
"""What a file of ours says in a comment. Any other file of that name is somebody else's."""

DEPLOY: Final = Path(__file__).resolve().parents[3] / "deploy"
DOCS: Final = Path(__file__).resolve().parents[4] / "docs" / "operator.md"
_ACCOUNT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_NOT_IN_A_PROGRAM: Final = frozenset("\"'\\$")
"""systemd refuses the first three there, and releases differ about the last."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The service that is asked for. `stop_s`: how long a stop may take before it is killed."""

    program: Path
    home: Path
    account: str
    stop_s: int
    system: bool

    def __post_init__(self) -> None:
        for what, text in (("program", str(self.program)), ("home", str(self.home))):
            refuse_unusable(what, text)
        if not _ACCOUNT.fullmatch(self.account):
            raise CommandError(
                f"{self.account!r} is no name of an account that a service can have. Give one with "
                "--user-name.",
                exit_code=ExitCode.USAGE,
            )


def refuse_unusable(what: str, path: str) -> None:
    """Refuse a path that a unit cannot hold: relative ones, control characters, broken UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        reason = "is not valid UTF-8"
    else:
        if _CONTROL.search(path):
            reason = "has a line break or another control character in it"
        elif not path.startswith("/"):
            reason = "is not an absolute path"
        elif path.rstrip("/") == "":
            reason = "is the root of the file system"
        else:
            return
    raise CommandError(
        f"The {what} {path!r} {reason}: a service's file cannot name it. Choose another one.",
        exit_code=ExitCode.USAGE,
    )


# --- systemd --------------------------------------------------------------------------------


def systemd_unit(wanted: Wanted) -> str:
    """The unit's text (systemd.unit(5)); every value is quoted for the place where it stands."""
    name = "lmx.system.service" if wanted.system else "lmx.user.service"
    if odd := set(str(wanted.program)) & _NOT_IN_A_PROGRAM:
        raise CommandError(
            f"The program's path {wanted.program} has a {min(odd)} in it, which systemd does not "
            "take there. Install lmx in another place.",
            exit_code=ExitCode.USAGE,
        )
    command = " ".join(quoted(word) for word in (str(wanted.program), "serve", "--port", str(PORT)))
    return _filled(
        (DEPLOY / "systemd" / name).read_text("utf-8"),
        {
            "EXEC": command,
            "LMX_HOME": quoted(f"LMX_HOME={wanted.home}"),
            "HOME": quoted(str(wanted.home)),
            "USER": wanted.account,
            "STOP_S": str(wanted.stop_s),
            "DOCS": quote(str(DOCS)).replace("%", "%%"),
        },
    )


def quoted(text: str) -> str:
    """One word for systemd (systemd.syntax(7)): `%` begins a specifier, `\\` an escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9_./=:@,+%-]", text) else escaped


def _filled(template: str, values: dict[str, str]) -> str:
    """Each `@NAME@` once through, so that a value that looks like one stays what it is."""
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], template)


# --- launchd --------------------------------------------------------------------------------


def launchd_plist(wanted: Wanted) -> str:
    """The property list (launchd.plist(5)); paths are filled in as values, never as text."""
    name = f"{LABEL}.daemon.plist" if wanted.system else f"{LABEL}.agent.plist"
    text = (DEPLOY / "launchd" / name).read_text("utf-8")
    values = {
        "PROGRAM": str(wanted.program),
        "HOME": str(wanted.home),
        "USER": wanted.account,
    }
    read: dict[str, Any] = _in_plist(plistlib.loads(text.encode()), values)
    read["ExitTimeOut"] = wanted.stop_s
    made = plistlib.dumps(read, sort_keys=False).decode()
    head, plist, rest = made.partition("<plist")
    return f"{head}<!-- {MARK} -->\n{plist}{rest}"


def _in_plist(value: Any, values: dict[str, str]) -> Any:
    match value:
        case dict():
            return {key: _in_plist(one, values) for key, one in value.items()}
        case list():
            return [_in_plist(one, values) for one in value]
        case str():
            return _filled(value, values)
        case _:
            return value


def newsyslog_conf(wanted: Wanted) -> str:
    """Rotation of the daemon's two files, for /etc/newsyslog.d (newsyslog.conf(5))."""
    text = (DEPLOY / "launchd" / f"newsyslog.{LABEL}.conf").read_text("utf-8")
    return _filled(text, {"USER": wanted.account})


# --- what is there --------------------------------------------------------------------------


def is_ours(text: str) -> bool:
    """Whether a file was written by `lmx service install`."""
    return MARK in text


def home_named_in(text: str) -> Path | None:
    """The state directory that a file of ours names; None where somebody has edited it away."""
    try:
        if text.startswith("<?xml"):
            return Path(plistlib.loads(text.encode())["EnvironmentVariables"]["LMX_HOME"])
        given = re.search(r'^Environment=("?LMX_HOME=.*)$', text, re.MULTILINE)
        return Path(shlex.split(given[1])[0].replace("%%", "%").split("=", 1)[1]) if given else None
    except (plistlib.InvalidFileException, ExpatError, KeyError, ValueError, TypeError):
        return None


def shown_properties(text: str) -> dict[str, str]:
    """`systemctl show` and `loginctl show-user`: NAME=VALUE, a line each."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def launchctl_state(text: str) -> dict[str, str]:
    """`launchctl print`: the job's own `name = value` lines, not those of what is nested in it."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\t(state|pid|runs|last exit code) = (.+)", line)
        if match:
            found.setdefault(match[1], match[2])
    return found


def as_typed(words: tuple[str, ...]) -> str:
    """A command as a person would type it."""
    return shlex.join(words)
