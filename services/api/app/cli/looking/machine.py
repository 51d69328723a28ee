"""This machine: Python, packages, memory, disk, limits. `look` reads; the rest is pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.cli.looking.checks import Check, stands, worth_a_look, wrong
from app.cli.text import size

GIB: Final = 1 << 30
LEAST_PYTHON: Final = (3, 11)
PLATFORMS: Final = frozenset({("Darwin", "arm64"), ("Linux", "x86_64")})
LEAST_MEMORY: Final = 8 * GIB
LEAST_DISK: Final = 2 * GIB
"""Less stops a download or an upgrade; the ledger's own reserve is far below."""
LEAST_FILES: Final = 2048
"""For a thousand connections and what the server holds open itself."""
MANY_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Machine:
    """Bytes and counts as the system says them; None where it does not.

    `packages`: by name, what the lock wants and what is installed ("" where nothing is).
    """

    python: tuple[int, ...]
    system: str
    machine: str
    memory_total: int
    memory_available: int
    swap_used: int
    volumes: tuple[tuple[str, int, int], ...] = ()
    """Of each place that is written to: its name, free bytes, free inodes (-1: not counted)."""
    files_hard: int | None = None
    packages: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def checks(machine: Machine) -> list[Check]:
    found = [judge(machine) for judge in _JUDGES]
    return [*found, *(_volume(*volume) for volume in machine.volumes)]


def _python(machine: Machine) -> Check:
    shown = ".".join(map(str, machine.python[:3]))
    if machine.python[:2] >= LEAST_PYTHON:
        return stands("python", shown)
    return wrong("python", f"This is {shown}.", "Install Python 3.11 or newer, then: make setup")


def _platform(machine: Machine) -> Check:
    shown = f"{machine.system} on {machine.machine}"
    if (machine.system, machine.machine) in PLATFORMS:
        return stands("platform", shown)
    return worth_a_look(
        "platform",
        f"{shown} is not one that is tested: macOS on arm64 and Linux on x86_64 are.",
        "Run the tests before relying on it: make test",
    )


def _packages(machine: Machine) -> Check:
    if not machine.packages:
        return stands("packages", "no lock beside this installation to compare with")
    others = {
        name: (wanted, have)
        for name, (wanted, have) in machine.packages.items()
        if have not in wanted.split(" or ")
    }
    if not others:
        return stands("packages", f"{len(machine.packages)} as locked")
    named = ", ".join(
        f"{name} {have or 'is missing'} (locked: {want})"
        for name, (want, have) in list(others.items())[:MANY_NAMED]
    )
    more = f" and {len(others) - MANY_NAMED} more" if len(others) > MANY_NAMED else ""
    return wrong(
        "packages", f"Not as locked: {named}{more}.", "Install what the locks say: make setup"
    )


def _memory(machine: Machine) -> Check:
    shown = f"{size(machine.memory_available)} of {size(machine.memory_total)} available"
    if machine.memory_total < LEAST_MEMORY:
        return worth_a_look(
            "memory", f"{shown}: small models only.", "`lmx models fit NAME` says what fits."
        )
    return stands("memory", shown)


def _swap(machine: Machine) -> Check:
    if machine.swap_used > machine.memory_total // 4:
        return worth_a_look(
            "swap",
            f"{size(machine.swap_used)} are swapped out: answers may be slow.",
            "Unload what nobody uses (lmx status), or close other programs.",
        )
    return stands("swap", f"{size(machine.swap_used)} used")


def _files(machine: Machine) -> Check:
    if machine.files_hard is None or machine.files_hard >= LEAST_FILES:
        return stands("open files", f"up to {machine.files_hard or 'any number'}")
    return wrong(
        "open files",
        f"At most {machine.files_hard} may be open, which a thousand connections go beyond.",
        f"Raise the hard limit to {LEAST_FILES}: ulimit -Hn, or LimitNOFILE= of the service.",
    )


def _volume(name: str, free: int, inodes: int) -> Check:
    label = f"disk: {name}"
    if free < LEAST_DISK:
        return wrong(
            label,
            f"{size(free)} are free.",
            "Make room: lmx store ls shows what takes it, lmx store purge removes some of it.",
        )
    if 0 <= inodes < 1000:
        return wrong(
            label, f"{inodes} inodes are free.", "Remove small files that nobody needs there."
        )
    return stands(label, f"{size(free)} free")


_JUDGES: Final[tuple[Callable[[Machine], Check], ...]] = (
    *(_python, _platform, _packages, _memory, _swap, _files),
)


def locked(text: str) -> dict[str, str]:
    """Names and versions of a lock's lines; which of two is for which Python is not asked."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, rest = line.partition("==")
        if separator and not line.startswith((" ", "#", "-")):
            package, wanted = name.strip().split("[")[0], rest.split()[0]
            known = found.get(package)
            found[package] = wanted if known in (None, wanted) else f"{known} or {wanted}"
    return found


def look(home: Path) -> Machine:
    import os
    import platform
    import resource
    import sys

    import psutil

    memory = psutil.virtual_memory()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    volumes = []
    for name, path in (("state", home), ("store", home / "store")):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        free = found.f_bavail * found.f_frsize
        volumes.append((f"{name}, {path}", free, found.f_favail if found.f_files else -1))
    return Machine(
        python=sys.version_info[:3],
        system=platform.system(),
        machine=platform.machine(),
        memory_total=memory.total,
        memory_available=memory.available,
        swap_used=psutil.swap_memory().used,
        volumes=tuple(volumes[:1] if len({v[1:] for v in volumes}) == 1 else volumes),
        files_hard=None if hard == resource.RLIM_INFINITY else hard,
        packages=_installed(),
    )


def _installed() -> dict[str, tuple[str, str]]:
    """What the lock beside a checkout wants and what is there; nothing without a checkout."""
    from importlib.metadata import PackageNotFoundError, version

    lock = Path(__file__).parents[5] / "requirements" / "runtime.txt"
    try:
        wanted = locked(lock.read_text("utf-8"))
    except OSError:
        return {}
    found = {}
    for name, want in wanted.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            continue  # the lock is of every platform: some of it is not for this one
        found[name] = (want, have)
    return found
