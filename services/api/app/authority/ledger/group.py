"""The only place that groups appends: callers who arrive while one commits share the next commit.

Whoever comes first commits for everybody waiting; there is no thread of its own, so a single caller
pays for no hand-over, and under load one durable write serves many.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

LARGEST: Final = 256
PAUSE_S: Final = 0.000_1
PAUSES: Final = 20

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Interrupted(Exception):
    """Whoever committed for this caller was stopped meanwhile: what came of it is not known."""


class Ticket(Generic[Asked, Given]):
    """One caller's item and, once its group is committed, what came of it."""

    __slots__ = ("_error", "_given", "_woken", "asked", "settled")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.settled = False
        self._given: Given | None = None
        self._error: Exception | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def give(self, given: Given) -> None:
        self._given, self._error, self.settled = given, None, True

    def fail(self, error: Exception) -> None:
        self._given, self._error, self.settled = None, error, True

    def wait(self) -> None:
        self._woken.acquire()

    def wake(self) -> None:
        self._woken.release()

    def result(self) -> Given:
        if self._error is not None:
            # Each caller raises its own: a shared traceback would grow with every waiter.
            raise self._error.with_traceback(None)
        if self._given is None:
            raise RuntimeError("a group was committed and forgot one of its members")
        return self._given


class GroupCommit(Generic[Asked, Given]):
    """`commit` is given the tickets of one group, settles each and raises nothing expected."""

    def __init__(self, commit: Callable[[Sequence[Ticket[Asked, Given]]], None]) -> None:
        self._commit = commit
        self._queue: list[Ticket[Asked, Given]] = []
        self._leader: Ticket[Asked, Given] | None = None
        self._served = 0
        self._lock = threading.Lock()

    def submit(self, asked: Asked) -> Given:
        ticket: Ticket[Asked, Given] = Ticket(asked)
        try:
            with self._lock:
                self._queue.append(ticket)
                self._leader = self._leader or ticket
                leads = self._leader is ticket
            if not leads:
                ticket.wait()
            if not ticket.settled:  # nobody committed for this one: it leads the next group
                self._lead()
        finally:
            self._leave(ticket)
        return ticket.result()

    def _lead(self) -> None:
        group: list[Ticket[Asked, Given]] = []
        try:
            self._gather()
            with self._lock:
                group, self._queue = self._queue[:LARGEST], self._queue[LARGEST:]
            self._served = len(group)
            self._commit(group)
        except BaseException as error:
            for ticket in group:
                if not ticket.settled:
                    ticket.fail(error if isinstance(error, Exception) else Interrupted())
            if not isinstance(error, Exception):
                raise
        finally:
            for ticket in group:
                if ticket is not self._leader:
                    ticket.wake()

    def _gather(self) -> None:
        """Wait while those whom the last group served come back with their next item.

        Without it, groups of everybody and groups of one would take turns. One caller alone waits
        for nobody.
        """
        for _ in range(PAUSES):
            waiting = len(self._queue)
            if waiting >= self._served:
                return
            time.sleep(PAUSE_S)
            if len(self._queue) == waiting:
                return

    def _leave(self, ticket: Ticket[Asked, Given]) -> None:
        """Whether it was served or interrupted while it waited: nobody waits for this one.

        The leader wakes whoever leads next.
        """
        with self._lock:
            if not ticket.settled and ticket in self._queue:
                self._queue.remove(ticket)
            if self._leader is ticket:
                self._leader = self._queue[0] if self._queue else None
                if self._leader is not None:
                    self._leader.wake()
