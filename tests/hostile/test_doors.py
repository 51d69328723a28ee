"""An advisor that is handed every module it could wish for tries the doors: files, net, processes.

With all walls standing each attempt is told. Then walls are taken away, a layer after another,
and the next one holds: nothing here rests on one wall alone.
"""

import os
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.hostile.world import World, said, told

READING = {
    "database": "return STOLEN['open'](known['database'], 'rb').read()",
    "database-to-write": "return STOLEN['open'](known['database'], 'r+b')",
    "key": "return STOLEN['os'].open(known['key'], 0)",
    "key-by-path-only": "return STOLEN['os'].open(known['key'], 0o10000000)",
    "own-bundle": "return STOLEN['os'].listdir('..')",
    "root": "return STOLEN['os'].listdir('/')",
    "passwd": "return open('/etc/passwd').read()",
    "parents-environment": "return open(f\"/proc/{known['parent']}/environ\", 'rb').read()",
    "parents-memory": "return open(f\"/proc/{known['parent']}/mem\", 'rb')",
    "parents-descriptors": "return STOLEN['os'].listdir(f\"/proc/{known['parent']}/fd\")",
    "own-environment": "return open('/proc/self/environ', 'rb').read()",
    "disk": "return STOLEN['os'].open('/dev/vda', 0)",
}
WRITING = {
    "home": "return STOLEN['os'].open(known['free'], 0o101)",
    "scratch": "return open('here', 'w')",
    "beside-scratch": "return open('../here', 'w')",
    "key": "return open(known['key'], 'a')",
    "temporary": "return open('/tmp/lmx-was-here', 'w')",
    "folder": "STOLEN['os'].mkdir(known['free'])\nreturn True",
    "link": "STOLEN['os'].symlink('/etc/passwd', known['free'])\nreturn True",
    "hard-link": "STOLEN['os'].link(known['key'], known['free'])\nreturn True",
    "rename": "STOLEN['os'].rename(known['key'], known['free'])\nreturn True",
    "remove": "STOLEN['os'].remove(known['database'])\nreturn True",
    "truncate": "STOLEN['os'].truncate(known['key'], 0)\nreturn True",
}
CONNECTING = {
    "tcp": ("door = STOLEN['socket'].socket()\ndoor.connect(tuple(known['tcp']))\nreturn door"),
    "tcp-with-a-key": (
        "door = STOLEN['socket'].socket()\ndoor.connect(tuple(known['tcp']))\n"
        "door.sendall(b'GET /status HTTP/1.1\\r\\nAuthorization: Bearer lmx_x\\r\\n\\r\\n')\n"
        "return door"
    ),
    "tcp6": (
        "door = STOLEN['socket'].socket(STOLEN['socket'].AF_INET6)\n"
        "door.connect(tuple(known.get('tcp6', ('::1', 1))))\nreturn door"
    ),
    "unix": (
        "door = STOLEN['socket'].socket(STOLEN['socket'].AF_UNIX)\n"
        "door.connect(known['unix'])\nreturn door"
    ),
    "udp": (
        "door = STOLEN['socket'].socket(STOLEN['socket'].AF_INET, STOLEN['socket'].SOCK_DGRAM)\n"
        "return door.sendto(b'the secret', tuple(known['udp']))"
    ),
    "listening": ("door = STOLEN['socket'].socket()\ndoor.bind(('127.0.0.1', 0))\nreturn door"),
    "pair": "return STOLEN['socket'].socketpair()",
}
STARTING = {
    "subprocess": "return STOLEN['subprocess'].run([known['python'], '-c', 'pass'])",
    "system": "return STOLEN['os'].system('true') == 0",
    "spawn": "return STOLEN['os'].posix_spawn(known['python'], ['python', '-c', 'pass'], {})",
    "fork": "if STOLEN['os'].fork() == 0:\n    STOLEN['os']._exit(0)\nreturn True",
    "exec": "STOLEN['os'].execv('/bin/sh', ['sh', '-c', 'true'])",
    "thread": "STOLEN['threading'].Thread(target=print).start()\nreturn True",
}
HARMING = {
    "stop-another": "STOLEN['os'].kill(known['decoy'], 9)\nreturn True",
    "ask-after-the-parent": "STOLEN['os'].kill(known['parent'], 0)\nreturn True",
    "library": "return STOLEN['ctypes'].CDLL(None).getpid()",
    "calls": "return STOLEN['library'].getpid()",
}
ALL = {"read": READING, "write": WRITING, "connect": CONNECTING, "start": STARTING, "harm": HARMING}
UNHEARD = ("pair", "thread")
"""This Python raises no audit event for them: the kernel ends whoever tries, and tells it."""

HOOK = frozenset({"audit-hook"})
SECCOMP = HOOK | {"seccomp"}
NO_LANDLOCK = HOOK | {
    "landlock-files",
    "landlock-network",
    "landlock-signals",
    "no-descriptors",
    "no-capabilities",
}
DESCRIPTORS = SECCOMP | {"no-descriptors"}

linux = pytest.mark.skipif(sys.platform != "linux", reason="these are walls of Linux")


def in_parts(attacks: Mapping[str, str], size: int = 6) -> Iterator[dict[str, str]]:
    """What is told is cut after twenty attempts."""
    for begin in range(0, len(attacks), size):
        yield dict(list(attacks.items())[begin : begin + size])


@pytest.mark.parametrize("kind", ALL)
def test_every_attempt_is_stopped_and_told(around: World, kind: str) -> None:
    heard = {name: attack for name, attack in ALL[kind].items() if name not in UNHEARD}
    for part in in_parts(heard):
        went = around.run_all(part, without=frozenset(), marked=True)
        assert {name for name, (how, _) in went.items() if not how.startswith("stopped: ")} == set()
        assert {name for name, (_, tried) in went.items() if not tried} == set()


# `subprocess` asks for a pipe first, which is refused and no more.
REACHING = {
    name: attack
    for kind in (CONNECTING, STARTING, HARMING)
    for name, attack in kind.items()
    if name not in ("subprocess", "library", "calls")
}


@linux
@pytest.mark.parametrize("name", REACHING)
def test_whoever_reaches_for_the_kernel_is_killed_and_told(around: World, name: str) -> None:
    without = frozenset() if name in UNHEARD else HOOK
    outcome = around.run(REACHING[name], without=without)
    assert told(outcome) == [("call", "a system call that no advice makes")]
    assert (outcome.ended, outcome.proposals) == ("it reached for the kernel", ())


# Which wall holds what, where those before it are taken away.
LAYERS: list[tuple[str, frozenset[str], str, frozenset[str]]] = [
    # As on a kernel without Landlock; then, as on one without filters, or of another machine.
    ("seccomp", NO_LANDLOCK, "read", frozenset(READING)),
    ("seccomp", NO_LANDLOCK, "write", frozenset(WRITING)),
    ("seccomp", NO_LANDLOCK, "start", frozenset({"subprocess"})),
    ("no-descriptors", SECCOMP, "read", frozenset(READING)),
    ("no-descriptors", SECCOMP, "connect", frozenset(CONNECTING)),
    # A name for a file, without a right to it, is not refused: where it leads is no secret.
    ("landlock-files", DESCRIPTORS, "read", frozenset(READING) - {"key-by-path-only"}),
    ("landlock-files", DESCRIPTORS, "write", frozenset(WRITING)),
    ("landlock-network", DESCRIPTORS, "connect", frozenset({"tcp", "tcp6", "listening"})),
    ("landlock-signals", DESCRIPTORS, "harm", frozenset({"stop-another", "ask-after-the-parent"})),
]


@linux
@pytest.mark.parametrize(("wall", "without", "kind", "names"), LAYERS)
def test_with_walls_taken_away_the_next_one_holds(
    around: World, wall: str, without: frozenset[str], kind: str, names: frozenset[str]
) -> None:
    attacks = {name: attack for name, attack in ALL[kind].items() if name in names}
    went = around.run_all(attacks, without=without)
    assert {name: how for name, (how, _) in went.items() if how.startswith("GOT")} == {}
    assert wall not in without


@linux
@pytest.mark.parametrize(
    ("kind", "name"), [("read", "key"), ("connect", "tcp"), ("start", "fork"), ("write", "scratch")]
)
def test_an_attack_would_work_without_walls(around: World, kind: str, name: str) -> None:
    """The control: what is stopped above is stopped by walls, not by a mistake in the attack."""
    everything = frozenset(
        "alarm limits audit-hook seccomp no-descriptors landlock-files landlock-network "
        "landlock-signals no-new-privileges no-capabilities ends-with-parent".split()
    )
    outcome = around.run(ALL[kind][name], without=everything)
    assert said(outcome).startswith("GOT: ")
    assert {wall.why for wall in outcome.walls} == {"left out of this bundle"}
    if name == "tcp":
        with pytest.raises(AssertionError, match="somebody called"):
            around.hold()


def test_nothing_is_inherited(around: World) -> None:
    """No descriptor but the three, even of those that the parent would hand on; no environment."""
    opened = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(opened, True)
    try:
        outcome = around.run(
            "def is_open(number):\n"
            "    try:\n"
            "        return bool(STOLEN['os'].fstat(number))\n"
            "    except OSError:\n"
            "        return False\n"
            "names = set(STOLEN['os'].environ) - {'LC_CTYPE'}\n"
            "return [n for n in range(3, 1000) if is_open(n)] + sorted(names)",
            without=frozenset(),
        )
    finally:
        os.close(opened)
    assert said(outcome) == "got nothing"
