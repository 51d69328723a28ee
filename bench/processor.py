"""Processor time: what a side used for an answer, and what other programs use meanwhile."""

from collections.abc import Callable

import psutil

Seconds = Callable[[], float]


def spent_by(pid: int) -> Seconds:
    """A clock that shows the processor time of process `pid` and of all its children."""

    def seconds() -> float:
        root = psutil.Process(pid)
        return sum(_of(process) for process in [root, *root.children(recursive=True)])

    return seconds


def spent_by_one(pid: int) -> Seconds:
    """A clock that shows the processor time of process `pid` alone."""
    return lambda: _of(psutil.Process(pid))


def others_percent(seconds: float = 1.0) -> float:
    """How busy the machine is while nothing of ours runs: 0 is idle, 100 is every core."""
    return psutil.cpu_percent(interval=seconds)


def _of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
