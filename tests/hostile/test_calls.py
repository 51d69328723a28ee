"""The filter in front of the kernel, tried call by call by a program that has nothing else to stop
it: every other wall is left out of its bundle."""

import os
import sys

import pytest

from app.walled.calls import MACHINES
from tests.hostile.world import World, said, told

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a wall of Linux")

ALONE = frozenset(
    "alarm audit-hook ends-with-parent landlock-files landlock-network landlock-signals limits "
    "no-capabilities no-descriptors".split()
)
# `uretprobe` and `uprobe`: the kernel lets them by every filter, and answers SIGILL to whoever was
# not sent there by itself.
NOT_FILTERED = {"x86_64": (335, 336)}
REACHED = [("call", "a system call that no advice makes")]
_CALL = """\
ctypes = STOLEN['ctypes']
library = STOLEN['library']
library.syscall.restype = ctypes.c_long
def call(number, *arguments):
    ctypes.set_errno(0)
    padded = (arguments + (0,) * 6)[:6]
    return library.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in padded)), \\
        ctypes.get_errno()
"""


def test_every_call_that_is_not_in_the_table_is_refused(around: World) -> None:
    """Numbers up to far beyond those that any kernel has."""
    machine = MACHINES[os.uname().machine]
    passing = NOT_FILTERED.get(os.uname().machine, ())
    tables = (machine.allowed, machine.maps, machine.deadly)
    known = sorted({*passing, *(number for table in tables for number in table.values())})
    outcome = around.run(
        _CALL + f"known_numbers = {known}\n"
        "return [n for n in range(1_000) if n not in known_numbers and call(n) != (-1, 1)]",
        without=ALONE,
    )
    assert said(outcome) == "got nothing"
    assert [wall.name for wall in outcome.walls if wall.stands] == ["no-new-privileges", "seccomp"]


def test_memory_cannot_be_made_executable(around: World) -> None:
    maps = MACHINES[os.uname().machine].maps
    outcome = around.run(
        _CALL + f"mmap, mprotect = {maps['mmap']}, {maps['mprotect']}\n"
        "private_anonymous = 0x22\n"
        "plain, _ = call(mmap, 0, 4096, 3, private_anonymous, -1, 0)\n"
        "assert plain > 0\n"
        "return [x for x in (call(mmap, 0, 4096, 7, private_anonymous, -1, 0),\n"
        "                    call(mprotect, plain, 4096, 5)) if x != (-1, 1)]",
        without=ALONE,
    )
    assert said(outcome) == "got nothing"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the x32 convention is x86_64's")
def test_a_call_by_another_convention_kills(around: World) -> None:
    outcome = around.run(_CALL + "return call(0x40000000 + 39)", without=ALONE)
    assert (told(outcome), outcome.ended) == (REACHED, "it reached for the kernel")


@pytest.mark.parametrize("name", ["io_uring_setup", "memfd_create", "execveat", "clone3"])
def test_a_call_that_no_honest_code_makes_kills_and_is_told(around: World, name: str) -> None:
    """By the kernel: whoever is here has got around everything that is written in Python."""
    number = MACHINES[os.uname().machine].deadly[name]
    outcome = around.run(_CALL + f"return call({number})", without=ALONE)
    assert (told(outcome), outcome.ended) == (REACHED, "it reached for the kernel")
    assert outcome.proposals == ()


def test_nothing_can_be_given_back(around: World) -> None:
    """Limits, the alarm, privileges and the filter itself stay as they were put up."""
    outcome = around.run(
        "import typing\n"
        "os, signal = STOLEN['os'], STOLEN['signal']\n"
        "def refused(what):\n"
        "    try:\n"
        "        what()\n"
        "    except OSError:\n"
        "        return True\n"
        "return [name for name, what in {\n"
        "    'alarm': lambda: signal.setitimer(signal.ITIMER_REAL, 0),\n"
        "    'handler': lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),\n"
        "    'mask': lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}),\n"
        "    'nice': lambda: os.nice(-5),\n"
        "    'session': os.setsid,\n"
        "    'group': lambda: os.setgid(12345),\n"
        "    'affinity': lambda: os.sched_setaffinity(0, {0}),\n"
        "}.items() if not refused(what)]",
        without=frozenset({"audit-hook"}),
    )
    assert said(outcome) == "got nothing"


def test_no_privilege_of_the_servers_is_left(around: World) -> None:
    """Also where the server is root's: some calls of the table do more for who has them."""
    outcome = around.run(
        "held = STOLEN['open']('/proc/self/status').read().splitlines()\n"
        "found = [line.split()[1] for line in held if line.startswith(('CapEff', 'CapPrm'))]\n"
        "assert len(found) == 2\n"
        "return [one for one in found if int(one, 16) != 0]",
        without=ALONE - {"no-capabilities"} | {"seccomp", "no-new-privileges"},
    )
    assert said(outcome) == "got nothing"
