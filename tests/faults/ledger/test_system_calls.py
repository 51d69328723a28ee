"""Every system call between an intent and its outcome fails, or is the last one: nothing is lost.

`strace` makes one call of a real server's ledger fail with EIO or ENOSPC, or kills it there; then
the ledger is opened as a start does, and verified offline with everything that lies outside of it.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from app.authority.ledger import Ledger
from app.authority.ledger.opening import record_opening
from app.authority.ledger.reserve import Reserve
from app.database import open_engine
from app.evidence.verification import of_home, verify_database
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.events import boot
from tests.fakes.ledger import opened_ledger
from tests.faults.ledger.recorder import REFUSED, RESERVE_BYTES, STUCK

ROOT: Final = Path(__file__).resolve().parents[3]
CALLS: Final = (
    "openat,read,pread64,write,pwrite64,lseek,newfstatat,fstat,statx,fcntl,fdatasync,fsync,"
    "ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,close,mmap,munmap"
)
FAULTS: Final = ("error=EIO", "error=ENOSPC", "signal=KILL")
SAMPLE: Final = 12
KILLED: Final = -9
_CALL: Final = re.compile(r"^(?:\d+ +)?(\w+)\(")
_SOON_S: Final = 30.0


def why_not() -> str:
    """Why nothing can be traced here; empty where it can."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed; tests/unit/ledger/test_crashes.py ends the same steps"
    tried = subprocess.run(
        [strace, "-qq", "-e", "trace=none", "true"], capture_output=True, text=True, check=False
    )
    return "" if tried.returncode == 0 else f"this account may not trace: {tried.stderr.strip()}"


@dataclass(frozen=True)
class Fault:
    """The `number`th call named `call` ends as `how` says."""

    call: str
    number: int
    how: str

    @property
    def option(self) -> str:
        return f"inject={self.call}:{self.how}:when={self.number}"


@dataclass
class Run:
    """What a recorder said and how it ended."""

    home: Path
    code: int
    said: list[str]
    trace: str
    errors: str

    @property
    def acknowledged(self) -> list[tuple[str, str]]:
        words = [line.split(" ", 2) for line in self.said]
        return [(kind, which) for done, kind, which in (w for w in words if w[0] == "done")]


class Recorders:
    """Runs recorders on copies of one home, under strace."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._errors = (directory / "errors").open("a+")  # appended to by two processes
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.ledger.recorder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'services' / 'api'}:{ROOT}"},
        )
        self._made = 0
        self._begun = self._new_home()
        fresh_database(self._begun)
        _open(self._begun)[1]()

    def close(self) -> None:
        self._server.kill()
        with self._server:
            pass
        self._errors.close()

    def run(self, fault: Fault | None) -> Run:
        home = self._new_home()
        shutil.copytree(self._begun, home, dirs_exist_ok=True)
        home.joinpath("ledger").chmod(0o700)
        os.mkfifo(home / "go")
        options = [] if fault is None else ["-e", fault.option]
        traced = CALLS if fault is None else fault.call
        self._errors.truncate(0)
        self._ask(str(home / "lmx.db"))
        child = int(self._answer())
        _until(lambda: "opened\n" in _said(home), f"the recorder did not open {home}")
        strace = ["strace", "-e", f"trace={traced}", *options, "-o", str(home / "trace")]
        with subprocess.Popen(
            [*strace, "-p", str(child)], stderr=subprocess.PIPE, text=True
        ) as tracer:
            assert tracer.stderr is not None
            assert "attached" in (line := tracer.stderr.readline()), line
            _go(home / "go")
            code = int(self._answer())
            tracer.communicate(timeout=_SOON_S)
        self._errors.seek(0)
        return Run(
            home=home,
            code=code,
            said=_said(home).splitlines(),
            trace=(home / "trace").read_text(),
            errors=self._errors.read(),
        )

    def _new_home(self) -> Path:
        self._made += 1
        home = self._directory / f"home-{self._made}"
        home.mkdir(mode=0o700)
        return home

    def _ask(self, line: str) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


@pytest.fixture(scope="module")
def recorders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorders]:
    if why := why_not():
        pytest.skip(why)
    made = Recorders(tmp_path_factory.mktemp("recorders"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def faults(recorders: Recorders) -> list[Fault]:
    """Every call of a clean run, once for each way to end it."""
    clean = recorders.run(None)
    assert clean.code == 0, clean.errors
    assert_whole(clean)
    found = [match[1] for line in clean.trace.splitlines() if (match := _CALL.match(line))]
    counted: Counter[str] = Counter()
    made = []
    for call in found:
        counted[call] += 1
        if call == "read" and counted[call] == 1:
            continue  # the recorder's own, of the word to begin
        made += [Fault(call, counted[call], how) for how in FAULTS]
    assert counted["fdatasync"] >= 12, counted  # each event: database, memory, sink
    assert counted["pwrite64"] >= 12, counted
    return made


@pytest.mark.timeout(120)
def test_a_sample_of_system_calls_may_fail_or_be_the_last(
    recorders: Recorders, faults: list[Fault]
) -> None:
    """The calls that write, mostly; a step that shares no factor with the three ways to end."""
    chosen = [fault for fault in faults if fault.call not in {"fcntl", "newfstatat", "lseek"}]
    step = len(chosen) // SAMPLE
    step += step % len(FAULTS) == 0
    survives(recorders, chosen[::step])


@pytest.mark.faults
@pytest.mark.timeout(3_600)
def test_every_system_call_may_fail_or_be_the_last(
    recorders: Recorders, faults: list[Fault]
) -> None:
    survives(recorders, faults)


def survives(recorders: Recorders, faults: list[Fault]) -> None:
    """Run each, and fail with what went wrong with which, all of it."""
    broken = []
    for fault in faults:
        run = recorders.run(fault)
        try:
            assert fault.how == "signal=KILL" or "INJECTED" in run.trace, "nothing was injected"
            assert run.code in _may_end(fault, run.trace), f"it ended as {run.code}: {run.errors}"
            assert_whole(run)
        except Exception as error:
            broken.append(f"{fault}: {type(error).__name__}: {error}\n{run.said}\n{run.trace}")
        else:
            shutil.rmtree(run.home)
    if broken:
        pytest.fail("\n\n".join(broken), pytrace=False)


def _may_end(fault: Fault, trace: str) -> set[int]:
    if fault.how == "signal=KILL":
        return {KILLED}
    unlocking = any("F_UNLCK" in line for line in trace.splitlines() if "INJECTED" in line)
    return {0, REFUSED, STUCK} if unlocking else {0, REFUSED}


def assert_whole(run: Run) -> None:
    """The ledger opens; all that was acknowledged is there and verified; nothing is there half."""
    ledger, close = _open(run.home)
    try:
        stored = ledger.events(limit=10_000)
        assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
        assert all(event.intact for event in stored)
        there = {event.event_id for event in stored} | {"-"}
        kinds = Counter(event.kind for event in stored)
        for kind, which in run.acknowledged:
            if kind == "signing_key_rotated":
                assert which == str(ledger.keeping.signer.key), "a rotation came undone"
            else:
                assert which in there, f"{kind} {which} was acknowledged and is not there"
            assert kind == "warm" or kinds[kind], f"{kind} was acknowledged and is not there"
        with ledger.answering() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM receipt").scalar_one()
        assert kinds["unload_intent"] == rows, "a change stands without its event, or it without"
        assert ledger.keeping.signer.pending is None
        ledger.reconcile()
        assert ledger.open_intents() == []
        ledger.append(boot())
        assert ledger.keeping.signer.size == ledger.size() == ledger.keeping.sinks.states()[0].size
        assert ledger.available
    finally:
        close()
    report = verify_database(of_home(run.home), processes=1)
    assert report.count == 0, report.findings
    assert report.covered == report.size


def _open(home: Path) -> tuple[Ledger, Callable[[], None]]:
    engine = open_engine(home / "lmx.db")
    reserve = Reserve(home / "ledger" / "reserve", RESERVE_BYTES)
    opened = opened_ledger(engine, FixedClock(), "after", reserve=reserve)
    record_opening(opened)

    def close() -> None:
        opened.ledger.close()
        engine.dispose()

    return opened.ledger, close


def _go(pipe: Path) -> None:
    descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # never waits for a reader
    os.write(descriptor, b"!")
    os.close(descriptor)


def _said(home: Path) -> str:
    said = home / "said"
    return said.read_text() if said.exists() else ""


def _until(true: Callable[[], bool], why: str) -> None:
    ends = time.monotonic() + _SOON_S
    while not true():
        assert time.monotonic() < ends, why
        time.sleep(0.002)
