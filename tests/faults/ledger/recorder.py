"""A program that records an intent, a change of state, an outcome and a rotation, and says so.

It reads the paths of databases, forks for each one (a start of Python takes far longer than what is
tested) and prints the child's process id and, later, how it ended. A child opens its ledger, says
"opened" and waits for a word on the pipe ``go``: then what it does is traced, and nothing else.

It says what was acknowledged in the file ``said``, by system calls that nothing else here makes.
After a refusal it goes on as the server does, and then it ends without tidying up: whatever became
of the last commit is for the next start to find out.
"""

import ctypes
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from app.authority.ledger import Ledger
from app.authority.ledger.opening import record_opening
from app.authority.ledger.reserve import Reserve
from app.clock import SystemClock
from app.database import open_engine
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable
from tests.fakes.events import load_intent, load_outcome, saying, unload_intent
from tests.fakes.ledger import opened_ledger

RESERVE_BYTES: Final = 64 << 10
REFUSED: Final = 3
STUCK: Final = 4
_PR_SET_PTRACER: Final = 0x59616D61
_ANY: Final = ctypes.c_ulong(-1)


def serve(databases: Iterable[str]) -> None:
    for line in databases:
        child = os.fork()
        if child == 0:
            os._exit(_ended(Path(line.strip())))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _ended(path: Path) -> int:
    try:
        return Recorder(path).run()
    except BaseException:
        traceback.print_exc()
        return 1


class Recorder:
    """One child's work."""

    def __init__(self, path: Path) -> None:
        said = path.parent / "said"
        self._said = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._go = os.open(path.parent / "go", os.O_RDWR)
        reserve = Reserve(path.parent / "ledger" / "reserve", RESERVE_BYTES)
        opened = opened_ledger(open_engine(path), SystemClock(), "recorder", reserve=reserve)
        record_opening(opened)
        self._ledger: Ledger = opened.ledger
        self._stuck = False

    def run(self) -> int:
        self._acknowledged("warm", self._ledger.append(saying("warm")).event_id)
        self._wait()
        refused = sum([not self._attempt(step) for step in (self._act, self._rotate)])
        if refused:
            return STUCK if self._stuck else REFUSED
        self._ledger.close()
        return 0

    def _wait(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
        self._say("opened")
        os.read(self._go, 1)

    def _act(self) -> None:
        intent = self._ledger.append(load_intent())
        self._acknowledged("load_intent", intent.event_id)
        event = unload_intent()
        with self._ledger.recording(event) as connection:
            row = ("r" * 64,)
            connection.exec_driver_sql("INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", row)
        self._acknowledged("unload_intent", "-")
        outcome = self._ledger.append(load_outcome(intent.seq))
        self._acknowledged("load_outcome", outcome.event_id)
        self._ledger.settle()

    def _rotate(self) -> None:
        _, new = self._ledger.rotate(SYSTEM)
        self._acknowledged("signing_key_rotated", str(new))

    def _attempt(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except AuditUnavailable as refusal:
            self._say(f"refused {refusal.message}")
            self._go_on()
            return False
        return True

    def _go_on(self) -> None:
        """What failed once works the next time, except for a lock that was not given back."""
        try:
            self._acknowledged("shutdown", self._ledger.append(saying("after")).event_id)
        except AuditUnavailable as refusal:
            self._say(f"refused again {refusal.message}")
            self._stuck = True

    def _acknowledged(self, kind: str, which: str) -> None:
        self._say(f"done {kind} {which}")

    def _say(self, line: str) -> None:
        os.writev(self._said, [f"{line}\n".encode()])


if __name__ == "__main__":
    serve(iter(sys.stdin.readline, ""))
