"""`lmx doctor`: what should stand on this machine, whether it does, and what to do where not."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from app.cli import output, version
from app.cli.looking.checks import Check, stands, wrong
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.text import one_line, visible
from app.cli.walls import Wall, graded

if TYPE_CHECKING:
    from app.cli.connection import Server

START: Final = "Start it (make run, or lmx serve), then: lmx doctor"
KEY: Final = "Set LMX_KEY to a key of an operator, approver or auditor."
ELSE: Final = (
    "Nothing needs doing for advice to work: the other walls hold without this one. What it would "
    "add is in docs/advice.md, under Walls."
)
CURES: Final[Mapping[str, str]] = {
    "landlock-files": "Use Linux 5.13 or newer with Landlock on: `landlock` has to stand in "
    "/sys/kernel/security/lsm (boot with lsm=landlock,...); a container has to allow its calls.",
    "landlock-network": "Use Linux 6.7 or newer with Landlock on.",
    "landlock-signals": "Use Linux 6.12 or newer with Landlock on.",
    "seccomp": "Use Linux on x86-64 or arm64 with CONFIG_SECCOMP_FILTER; a container has to allow "
    "prctl.",
    "no-new-privileges": "Use Linux 3.5 or newer; a container has to allow prctl.",
    "no-capabilities": "Run the server without privileges; a container has to allow capset.",
    "limits": "Run the server without privileges, and raise its hard limits (ulimit -H) where they "
    "stand in the way.",
    "sandbox": "Use Linux or macOS: advisors of this server are better left off elsewhere "
    "(advice.advisors: [] in config.yaml).",
}
"""What to do where a wall does not stand, by the beginning of its name; else ELSE."""


def doctor(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Say what stands on this machine, and what to do where something does not.

    Python, packages, memory, disk, the state directory, clock, port, configuration, service; and of
    a running server its release, ledger, guardrails and the walls around advisors. Without a server
    it looks at the rest. Exits with 1 where something does not stand; what is only worth a look,
    or what no machine of this kind has, fails nothing.
    """
    checks = [*_here(), *_served(server)]
    failing = [check for check in checks if check.fails]
    if as_json:
        output.as_json({"whole": not failing, "checks": [asdict(check) for check in checks]})
    else:
        output.show_fields([row for check in checks for row in _rows(check)])
    if failing:
        names = ", ".join(check.name for check in failing)
        verb = "do" if failing[1:] else "does"
        raise CommandError(f"{len(failing)} of {len(checks)} {verb} not stand: {names}.")


def _here() -> Iterator[Check]:
    """What can be known without a server."""
    from app.cli import address
    from app.cli.looking import installation, machine

    home = address.home(os.environ)
    yield from machine.checks(machine.look(home))
    yield from installation.state(home)
    yield installation.clock(installation.last_written_s(home), time.time())
    yield from installation.configuration(home)
    yield installation.service()


def _served(server: str) -> Iterator[Check]:
    """The port, the server behind it, and the walls that it names."""
    from app.cli.address import server_address
    from app.cli.connection import connected, rows
    from app.cli.looking import port, serving

    url = server_address(server)
    try:
        with connected(url) as authority:
            status = authority.get("/authority/status")
            walls = rows(authority.get("/authority/advisors"), "walls")
            parts = _parts(authority)
    except CommandError as error:
        answered = bool(error.problem)
        yield port.judge(url, taken=port.is_taken(url), ours=answered)
        yield wrong("server", error.sentence, KEY if answered else START)
        return
    yield port.judge(url, taken=True, ours=True)
    yield stands("server", url)
    yield from serving.checks(status, parts, version.installed_release())
    yield from [_wall(wall) for wall in walls] or [
        wrong("walls", "The server named none.", "Look at LMX_HOME/logs/server.log.")
    ]


def _parts(authority: "Server") -> Mapping[str, Any]:
    """Of /readyz, which parts are well; none where it does not say."""
    try:
        found = authority.get("/readyz").get("parts")
    except CommandError as error:
        found = error.problem.get("parts") or {"ready": False}
    return found if isinstance(found, Mapping) else {}


def _wall(wall: Mapping[str, Any]) -> Check:
    name = f"wall: {visible(one_line(wall.get('name')))}"
    grade = graded(wall)
    if grade is Wall.STANDS:
        return Check(name, stands=True)
    why = visible(one_line(wall.get("why") or "No reason was given."))
    if grade is Wall.NEVER:
        return Check(name, stands=False, why=why, needed=False)
    return Check(name, stands=False, why=why, do=_cure(one_line(wall.get("name"))))


def _cure(name: str) -> str:
    return next((cure for begins, cure in CURES.items() if name.startswith(begins)), ELSE)


def _rows(check: Check) -> list[tuple[str, str]]:
    if check.stands:
        return [(check.name, f"stands: {check.seen}" if check.seen else "stands")]
    if not check.needed:
        return [(check.name, f"not on this system: {check.why}")]
    grade = "DOES NOT STAND" if check.grave else "worth a look"
    return [(check.name, grade), ("  why", check.why), ("  do", check.do)]
