"""What all decode loops share: an inbox, sequences and jobs in their order, cancels, and the end.

Everything here belongs to one thread. Other threads put items into `inbox` and read `stalled_ms`.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from queue import Empty, SimpleQueue

from app.engines.protocol import Cancel
from app.engines.worker.backend import Drain, Item, Job, Prepared, Send, failed, lost
from app.engines.worker.running import stepped

BURST_TOKENS = 256
"""So much of other prompts is read, at most, between an answer's first token and its second."""


class Stepping(ABC):
    """Implements `Loop`: a step of the sequences, then one of the first job, and so on."""

    def __init__(self, send: Send) -> None:
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self._send = send
        self._waiting: deque[Prepared] = deque()
        self._jobs: deque[Job] = deque()
        self._early_cancels: set[int] = set()
        self._draining = False
        self._busy_since: float | None = None

    # --- what an engine does ---------------------------------------------------------------------

    @property
    @abstractmethod
    def is_speaking(self) -> bool:
        """Whether any sequence runs."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many of those that wait may begin now."""

    @abstractmethod
    def begin(self, prepared: Prepared) -> None:
        """May raise anything, which rejects this sequence alone."""

    @abstractmethod
    def step(self) -> None:
        """One step of all sequences that run."""

    @abstractmethod
    def leave(self, handle: int) -> bool:
        """Take a running sequence out; False where there is none of this handle."""

    # --- the loop --------------------------------------------------------------------------------

    @property
    def stalled_ms(self) -> int:
        """How long the present step has taken; 0 when there is nothing to do."""
        since = self._busy_since
        return 0 if since is None else int((time.monotonic() - since) * 1000)

    def run(self) -> None:
        """Work until a `Drain` was taken and nothing runs any more."""
        while not (self._draining and not self.is_speaking and not self._jobs):
            self._take()
            self._busy_since = time.monotonic()
            self._fill()
            if self.is_speaking:
                self.step()
            if self._jobs:
                self._work()
            self._busy_since = None

    def _fill(self) -> None:
        for _ in range(min(self.room, len(self._waiting))):
            prepared = self._waiting.popleft()
            try:
                self.begin(prepared)
            except Exception as error:  # noqa: BLE001 - a poison prompt rejects itself only
                self._send([failed(prepared.handle, error)])

    def _work(self) -> None:
        """One step of the first job, which goes behind the others while it goes on."""
        job = self._jobs.popleft()
        said = stepped(job)
        if said is None:
            self._jobs.append(job)
        else:
            self._send(said)

    def _take(self) -> None:
        """Read the inbox; wait for an item only when there is nothing to do."""
        idle = not self.is_speaking and not self._waiting and not self._jobs
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
                while self._waiting:
                    self._send([lost(self._waiting.popleft().handle, "is shutting down")])
            case Cancel(handle):
                self._cancel(handle)
            case Prepared(handle) | Job(handle):
                if handle in self._early_cancels:
                    self._early_cancels.discard(handle)
                elif self._draining:
                    self._send([lost(handle, "is shutting down")])
                elif isinstance(item, Job):
                    self._jobs.append(item)
                else:
                    self._waiting.append(item)
                # Handles only grow: a cancel for an older one came too late and means nothing.
                self._early_cancels = {early for early in self._early_cancels if early > handle}

    def _cancel(self, handle: int) -> None:
        if self.leave(handle):
            return
        found = len(self._waiting) + len(self._jobs)
        self._waiting = deque(one for one in self._waiting if one.handle != handle)
        self._jobs = deque(job for job in self._jobs if job.handle != handle)
        if len(self._waiting) + len(self._jobs) == found:
            self._early_cancels.add(handle)
