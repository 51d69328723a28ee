"""What the kernel lets a child use: memory, processor, files, processes, time. And its manners."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.domain.advice.contained import Wall
from app.walled.kernel import PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, CLibrary, absent

LIMITS: Final = "limits"
NO_FILES: Final = "no-descriptors"
PARENT: Final = "ends-with-parent"
NO_NEW_PRIVILEGES: Final = "no-new-privileges"
NO_CAPABILITIES: Final = "no-capabilities"
ALARM: Final = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`address_bytes`: of everything that is mapped, shared libraries too. `alarm_s`: after this
    long the kernel ends the process, whatever has become of its parent."""

    address_bytes: int
    cpu_s: int
    alarm_s: int

    @classmethod
    def read(cls, order: dict[str, Any]) -> "Allowance":
        limits = order["limits"]
        return cls(
            address_bytes=int(limits["address_bytes"]),
            cpu_s=int(limits["cpu_s"]),
            alarm_s=int(limits["alarm_s"]),
        )


def raise_limits(allowed: Allowance) -> Wall:
    """Processes: none. The count is of a user, so it does not bind one with privileges."""
    wanted = {
        "processor": (resource.RLIMIT_CPU, allowed.cpu_s, allowed.cpu_s + 1),
        "file size": (resource.RLIMIT_FSIZE, 0, 0),
        "core dumps": (resource.RLIMIT_CORE, 0, 0),
        "processes": (resource.RLIMIT_NPROC, 0, 0),
        "locked memory": (resource.RLIMIT_MEMLOCK, 0, 0),
    }
    if sys.platform == "linux":
        wanted["message queues"] = (resource.RLIMIT_MSGQUEUE, 0, 0)
        # macOS takes this limit and does not hold it.
        wanted["memory"] = (resource.RLIMIT_AS, allowed.address_bytes, allowed.address_bytes)
    failed = [name for name, (which, *pair) in wanted.items() if not _set(which, *pair)]
    if "memory" not in wanted:
        failed.append("memory (the server watches it)")
    why = f"not limited: {', '.join(failed)}" if failed else ""
    return Wall(LIMITS, stands=not failed, why=why)


def no_descriptors() -> Wall:
    """Not one more: those that are open go on."""
    if _set(resource.RLIMIT_NOFILE, 0, 0):
        return Wall(NO_FILES, stands=True)
    return Wall(NO_FILES, stands=False, why="the kernel did not take the limit")


def _set(which: int, soft: int, hard: int) -> bool:
    """Whoever started the server may have set a tighter one: that stays."""
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError):
        return False
    return True


def set_alarm(allowed: Allowance) -> Wall:
    """SIGALRM ends a process that does not handle it. None is handled here: the filter lets nobody
    return from a signal."""
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(allowed.alarm_s)
    return Wall(ALARM, stands=True)


def be_last() -> None:
    """Whoever asks a model for an answer goes first. Not a wall: nothing is lost without."""
    steps: list[Callable[[], object]] = [lambda: os.nice(19)]
    if sys.platform == "linux":
        steps.append(lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
        steps.append(_session_late)
    for step in steps:
        try:
            step()
        except OSError:
            continue


def _session_late() -> None:
    """Linux may share the processor by session, and one's own nice counts only inside it.

    At 10 a session gets a tenth of what others get that want it too: the rest of an advisor's time
    still suffices. At 19 it would not.
    """
    group = os.open("/proc/self/autogroup", os.O_WRONLY)
    try:
        os.write(group, b"10")
    finally:
        os.close(group)


def end_with_parent(library: CLibrary | None, parent: int) -> Wall:
    """`parent`: as it was before. Only Linux does this; elsewhere the alarm and the end of the
    input have to do."""
    if library is None:
        return Wall(PARENT, stands=False, why="only Linux can: the alarm ends it instead")
    try:
        library.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    except OSError as error:
        return absent(PARENT, error)
    if os.getppid() != parent:
        os._exit(1)
    return Wall(PARENT, stands=True)


def no_new_privileges(library: CLibrary) -> Wall:
    try:
        library.prctl(PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        return absent(NO_NEW_PRIVILEGES, error)
    return Wall(NO_NEW_PRIVILEGES, stands=True)


def no_capabilities(library: CLibrary) -> Wall:
    """A server that runs as root would hand its privileges on, to what the filter lets through:
    memory can be offlined by a call that everybody else needs to give some back."""
    try:
        library.drop_capabilities()
    except OSError as error:
        return absent(NO_CAPABILITIES, error)
    return Wall(NO_CAPABILITIES, stands=True)


def c_library() -> CLibrary | None:
    """Where its calls are those that the walls are made of."""
    return CLibrary() if sys.platform == "linux" and ctypes.sizeof(ctypes.c_void_p) == 8 else None
