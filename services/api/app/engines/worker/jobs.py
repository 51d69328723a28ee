"""The loop of a model that generates nothing: its jobs, a step of each in turn.

Everything here belongs to one thread. Other threads put items into `inbox` and read `stalled_ms`.
"""

import time
from collections import deque
from queue import Empty, SimpleQueue

from app.engines.protocol import Cancel
from app.engines.worker.backend import Drain, Item, Job, Prepared, Send, lost
from app.engines.worker.running import stepped


class Jobs:
    """Implements `Loop`."""

    def __init__(self, send: Send) -> None:
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self._send = send
        self._jobs: deque[Job] = deque()
        self._early_cancels: set[int] = set()
        self._draining = False
        self._busy_since: float | None = None

    @property
    def stalled_ms(self) -> int:
        """How long the present step has taken; 0 when there is nothing to do."""
        since = self._busy_since
        return 0 if since is None else int((time.monotonic() - since) * 1000)

    def run(self) -> None:
        """Work until a `Drain` was taken and nothing is left to do."""
        while not (self._draining and not self._jobs):
            self._take()
            if self._jobs:
                self._busy_since = time.monotonic()
                self._work(self._jobs.popleft())
                self._busy_since = None

    def _work(self, job: Job) -> None:
        last = stepped(job)
        if last is None:
            self._jobs.append(job)
        else:
            self._send(last)

    def _take(self) -> None:
        """Read the inbox; wait for an item only when there is nothing to do."""
        idle = not self._jobs
        try:
            while True:
                self._accept(self.inbox.get() if idle else self.inbox.get_nowait())
                idle = False
        except Empty:
            return

    def _accept(self, item: Item) -> None:
        match item:
            case Drain():
                self._draining = True
            case Cancel(handle):
                kept = deque(job for job in self._jobs if job.handle != handle)
                if len(kept) == len(self._jobs):
                    self._early_cancels.add(handle)
                self._jobs = kept
            case Job(handle) if handle in self._early_cancels:
                self._early_cancels.discard(handle)
            case Job(handle) if not self._draining:
                self._jobs.append(item)
                # Handles only grow: a cancel for an older one came too late and means nothing.
                self._early_cancels = {early for early in self._early_cancels if early > handle}
            case Prepared(handle) | Job(handle):
                self._send([lost(handle, "is shutting down")])
