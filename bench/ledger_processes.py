"""Runs the product's commands as users do, and watches the memory of all their processes."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from bench.child import ROOT, environment

SAMPLED_S: Final = 0.05
_TAIL: Final = 2_000


class CommandFailed(RuntimeError):
    """A command of the product failed; what it said follows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`peak_bytes` is the largest sum over the command and all its processes at one moment.

    Pages that processes share count once where the system tells (PSS on Linux), else each time.
    """

    seconds: float
    peak_bytes: int
    output: str


def lmx(*arguments: str, home: Path) -> Ended:
    """Run `lmx ARGUMENTS...` on a state directory; raises CommandFailed."""
    return run(["-m", "app.cli.main", *arguments], LMX_HOME=str(home))


def run(arguments: Sequence[str], **extra: str) -> Ended:
    """Run Python with `arguments`; raises CommandFailed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with Watched(process.pid) as watched:
        output, _ = process.communicate()
        seconds = time.perf_counter() - started
    if process.returncode:
        said = output[-_TAIL:]
        raise CommandFailed(f"{' '.join(arguments)} ended with {process.returncode}: {said}")
    return Ended(seconds, watched.peak_bytes, output)


class Watched:
    """Looks at a process and everything below it again and again, while it is entered."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED_S):
            self.peak_bytes = max(self.peak_bytes, self._now())

    def _now(self) -> int:
        try:
            below = self._process.children(recursive=True)
        except psutil.Error:
            return 0
        return sum(map(_bytes_of, [self._process, *below]))


def _bytes_of(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:  # ended meanwhile
        return 0
