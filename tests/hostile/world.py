"""A small world around a hostile advisor: things worth stealing, doors to try, and witnesses."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app.domain.advice.contained import Order, Outcome
from app.domain.advice.frames import Answer, Question
from app.domain.advice.snapshot import as_plain
from app.engines.advisor_bundle import bundle
from app.engines.advisor_host import AdvisorHost
from app.engines.advisor_run import Limits
from tests.fakes.snapshots import snapshot

APP = Path(__file__).parents[2] / "services/api/app"
SNAPSHOT = json.dumps(as_plain(snapshot())).encode()
SECRET = "canary-5b1c-of-the-operator"

# An advisor that says how its attack went: what it got hold of, or what stopped it.
_ADVISOR = """\
import sys
from dataclasses import dataclass
from app.domain.advice.frames import Question
from app.domain.advice.proposals import Kind, Proposal

KNOWN = {known!r}


def proposed(reason):
    return Proposal(kind=Kind.PIN, target="m", reason=reason, assumes="-", confidence=1)


def attack(known):
{attack}


@dataclass
class Hostile:
    name: str = "hostile"
    assumes: str = "that nobody looks"
    sure: str = "very"

    def advise(self, snapshot):
        try:
            got = attack(KNOWN)
        except BaseException as error:
            yield proposed("stopped: " + type(error).__name__)
        else:
            yield proposed("GOT: " + repr(got)[:200] if got else "got nothing")


ADVISORS = {{"hostile": Hostile}}
"""
# A whole advisor: `attack` is its generator.
_GENERATOR = """\
    def advise(self, snapshot):
        return attack(KNOWN)


ADVISORS = {"hostile": Hostile}
"""
_ALL = """\
{functions}
for name, one in [{calls}]:
    if {marked}:
        try:
            __import__("mark_" + name)
        except PermissionError:
            pass
    try:
        got = one(known)
    except BaseException as error:
        yield proposed(name + "|stopped: " + type(error).__name__)
    else:
        yield proposed(name + ("|GOT: " + repr(got)[:200] if got else "|got nothing"))
"""
# What a test's own bundle leaves out, and what its advisor is handed for nothing.
_STANDING = """\
import builtins
import ctypes, gc, mmap, os, signal, socket, subprocess, threading, time

builtins.STOLEN = {{
    "ctypes": ctypes, "gc": gc, "mmap": mmap, "os": os, "signal": signal, "socket": socket,
    "subprocess": subprocess, "threading": threading, "time": time, "open": builtins.open,
    "library": ctypes.CDLL(None, use_errno=True),
}}
WITHOUT = frozenset({without!r})
"""


@dataclass
class World:
    """`known`: everything that an advisor could wish to know of the server, and does not."""

    directory: Path
    known: dict[str, Any]
    listeners: list[socket.socket]
    decoy: "subprocess.Popen[bytes]"
    before: dict[Path, bytes] = field(default_factory=dict)

    def remember(self) -> None:
        self.before = self.files()

    def files(self) -> dict[Path, bytes]:
        found = [file for file in self.directory.rglob("*") if file.is_file()]
        return {file: file.read_bytes() for file in found if "bundles" not in file.parts}

    def hold(self) -> None:
        """Nothing was touched, nobody called, nobody was harmed."""
        assert self.files() == self.before
        assert self.decoy.poll() is None
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                raise AssertionError(f"somebody called: {listener.recvfrom(100)!r}")

    def run(self, attack: str, **options: Any) -> Outcome:
        return asyncio.run(self.start(attack, **options))

    async def start(
        self,
        attack: str,
        *,
        whole: bool = False,
        without: frozenset[str] | None = None,
        answer: Any = None,
        **limits: Any,
    ) -> Outcome:
        """`without`: walls that are left out; where it is given, the advisor has STOLEN."""
        directory = Path(tempfile.mkdtemp(dir=self.directory / "bundles"))
        made = bundle(directory, self._files(attack, whole, without))
        told: dict[str, Any] = {"clock_s": 120.0, "cpu_s": 5} | limits
        host = AdvisorHost(bundle=made, limits={"advise": Limits(**told)})
        order = Order(do="advise", advisor="hostile", snapshot=SNAPSHOT)
        try:
            return await host.run(order, answer or no_answer)
        finally:
            assert [one.name for one in directory.iterdir()] == [made.name]  # no scratch left
            assert left_over(made) == []

    def run_all(
        self,
        attacks: Mapping[str, str],
        *,
        without: frozenset[str] | None = None,
        marked: bool = False,
    ) -> dict[str, tuple[str, list[tuple[str, str]]]]:
        """Several attacks, one after another in one process: how each went, what was told of it.

        `marked`: what is told is divided by imports of the attacks' names, which are told too.
        """
        functions = "".join(
            f"def a{number}(known):\n{textwrap.indent(textwrap.dedent(attack), '    ')}\n"
            for number, attack in enumerate(attacks.values())
        )
        calls = [f"({name!r}, a{number})" for number, name in enumerate(attacks)]
        outcome = self.run(
            _ALL.format(functions=functions, calls=", ".join(calls), marked=marked),
            whole=True,
            without=without,
        )
        assert outcome.ended == ""
        if without is not None:
            assert {one.name for one in outcome.walls if not one.stands} == without
        went = dict(json.loads(one)["reason"].split("|", 1) for one in outcome.proposals)
        assert went.keys() == attacks.keys()
        return {name: (how, _between(told(outcome), name)) for name, how in went.items()}

    def _files(self, attack: str, whole: bool, without: frozenset[str] | None) -> Mapping[str, str]:
        body = textwrap.indent(textwrap.dedent(attack), "    ")
        source = _ADVISOR.format(known=self.known, attack=body)
        if whole:
            source = source.partition("    def advise")[0] + _GENERATOR
        files = {"app/_experimental/registry.py": source}
        if without is not None:
            files["app/walled/standing.py"] = _STANDING.format(without=set(without) or {""})
        return files


async def no_answer(question: Question) -> Answer:
    return Answer(text=None, why="nobody answers here")


def left_over(made: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(made) in process.cmdline():
                found.append(process.pid)
    return found


def said(outcome: Outcome) -> str:
    """How an attack went, in its own words."""
    assert len(outcome.proposals) == 1, outcome
    return str(json.loads(outcome.proposals[0])["reason"])


def told(outcome: Outcome) -> list[tuple[str, str]]:
    return [(one.what, one.which) for one in outcome.tried]


def _between(tried: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    """What was told after an attack's own mark, up to the next one's."""
    marks = [place for place, (_, which) in enumerate(tried) if which.startswith("mark_")]
    mine = [place for place in marks if tried[place][1] == f"mark_{name}"]
    if not mine:
        return []
    end = next((place for place in marks if place > mine[0]), len(tried))
    return tried[mine[0] + 1 : end]


@contextlib.contextmanager
def world(directory: Path) -> Iterator[World]:
    (directory / "bundles").mkdir()
    database = directory / "authority.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE secrets AS SELECT ? AS secret", (SECRET,))
    key = directory / "operator.key"
    key.write_text(SECRET)
    listeners, doors = _doors(directory)
    decoy = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    made = World(
        directory=directory,
        known={
            "repo": str(APP.parent),
            "site_packages": str(Path(json.__file__).parents[1] / "site-packages"),
            "psutil": str(Path(psutil.__file__).parents[1]),
            "library": str(Path(json.__file__).parents[1]),
            "database": str(database),
            "key": str(key),
            "free": str(directory / "was-here"),
            "parent": os.getpid(),
            "decoy": decoy.pid,
            "python": sys.executable,
            **doors,
        },
        listeners=listeners,
        decoy=decoy,
    )
    made.remember()
    try:
        yield made
    finally:
        decoy.kill()
        decoy.wait()
        for listener in listeners:
            listener.close()
        shutil.rmtree(Path(doors["unix"]).parent)


def _doors(directory: Path) -> tuple[list[socket.socket], dict[str, Any]]:
    """Listeners that nobody accepts on: a connection would be seen all the same, by `accept`."""
    four = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    # A path of a socket holds 100 characters or so, and pytest's are longer.
    where = Path(tempfile.mkdtemp(prefix="lmx-")) / "s"
    local.bind(str(where))
    local.listen()
    listeners = [_Accepting(four), datagrams, _Accepting(local)]
    doors: dict[str, Any] = {
        "tcp": four.getsockname(),
        "udp": datagrams.getsockname(),
        "unix": str(where),
    }
    with contextlib.suppress(OSError):
        six = socket.create_server(("::1", 0), family=socket.AF_INET6)
        listeners.append(_Accepting(six))
        doors["tcp6"] = six.getsockname()[:2]
    for listener in listeners:
        listener.setblocking(False)
    return listeners, doors  # type: ignore[return-value]


class _Accepting:
    """A listener whose callers are read as if they were datagrams."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.setblocking = listener.setblocking
        self.close = listener.close

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        connection, address = self._listener.accept()
        with connection:
            return b"", address
