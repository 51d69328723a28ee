"""`lmx doctor`: what should stand on this machine, whether it does, and what to do where not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.text import one_line, visible
from app.cli.walls import Wall, graded


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `why` it does not stand, and what to `do`: else empty.

    `needed`: false of what no machine of this kind has; there is nothing to do about it.
    """

    name: str
    stands: bool
    why: str = ""
    do: str = ""
    needed: bool = True


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
    """Say what stands on this machine: the server, and each wall around advisors.

    Where something does not that should, says why and what to do, and exits with 1. A wall that no
    machine of this kind has is only named.
    """
    checks = _looked_at(server)
    missing = [check for check in checks if check.needed and not check.stands]
    if as_json:
        output.as_json({"whole": not missing, "checks": [asdict(check) for check in checks]})
    else:
        output.show_fields([row for check in checks for row in _rows(check)])
    if missing:
        names = ", ".join(check.name for check in missing)
        raise CommandError(f"{len(missing)} of {len(checks)} do not stand: {names}.")


def _looked_at(server: str) -> list[Check]:
    from app.cli.connection import connected, rows

    try:
        with connected(server) as authority:
            found = rows(authority.get("/authority/advisors"), "walls")
    except CommandError as error:
        do = KEY if error.problem else START
        return [Check("server", stands=False, why=error.sentence, do=do)]
    walls = [_wall(wall) for wall in found]
    nothing = Check(
        "walls", stands=False, why="The server named none.", do="Look at LMX_HOME/logs/server.log."
    )
    return [Check("server", stands=True), *(walls or [nothing])]


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
        return [(check.name, "stands")]
    if not check.needed:
        return [(check.name, f"not on this system: {check.why}")]
    return [(check.name, "DOES NOT STAND"), ("  why", check.why), ("  do", check.do)]
