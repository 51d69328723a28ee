"""The only place that starts processes to verify with: each reads for itself, nothing is shared.

A ledger that one process has read in a second is not handed out: starting others takes longer.
"""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

_FEW: Final = 2
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_order(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], processes: int | None = None
) -> Iterator[_Result]:
    """Return each task's result, in the tasks' order. `work` is a module's function."""
    count = min(len(tasks), processes or os.cpu_count() or 1)
    if len(tasks) <= _FEW or count == 1:
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(count, initializer=_begin) as pool:
        yield from pool.imap(work, tasks)


def _begin() -> None:
    """Ctrl-C is the parent's to handle; nothing made here has cycles that need collecting."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
