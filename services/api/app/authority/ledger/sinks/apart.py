"""A sink on a thread of its own, so that a volume that blocks holds up nobody but itself.

A delivery is waited for, at most `timeout_s`; while one is stuck no other is waited for at all. The
thread always takes the newest delivery, which contains those before it, so it catches up by itself.
After a failure the file is closed, and opened anew, with every check, `retry_s` later; until then
deliveries fail at once.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.authority.ledger.sinks.comparing import change_of
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import Delivery, Known, SinkChange, SinkFailed
from app.domain.refusals import Refusal
from app.evidence.notes import VerifierKey

RETRY_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)


class Apart:
    """One further sink. `open` starts its thread; only that thread touches the file."""

    def __init__(
        self,
        name: str,
        file: FileSink,
        *,
        required: bool,
        timeout_s: float,
        retry_s: float = RETRY_S,
    ) -> None:
        self.name = name
        self.required = required
        self._file = file
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._turn = threading.Condition()
        self._known: Known | None = None
        self._delivery: Delivery | None = None
        self._asked = self._answered = 0
        self._late = self._resting = self._closing = False
        self._is_open = self._was_open = False
        self._failure: SinkFailed | None = None
        self._changes: list[SinkChange] = []
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def why(self) -> str:
        with self._turn:
            return str(self._current_failure() or "")

    def open(self, known: Known) -> SinkChange | None:
        with self._turn:
            self._known = known
            self._asked += 1
        self._thread.start()
        self.finish()
        found = self.changes()
        return found[0] if found else None

    def trust(self, keys: Sequence[VerifierKey]) -> None:
        with self._turn:
            if self._known is not None:
                self._known = self._known.trusting(keys)

    def begin(self, delivery: Delivery) -> None:
        with self._turn:
            self._delivery = delivery
            self._asked += 1
            self._turn.notify_all()

    def finish(self) -> None:
        with self._turn:
            if not self._late and not self._resting:
                self._late = not self._turn.wait_for(self._has_answered, self._timeout_s)
            if failure := self._current_failure():
                raise failure

    def changes(self) -> list[SinkChange]:
        with self._turn:
            found, self._changes = self._changes, []
            return found

    def close(self) -> None:
        """Ask the thread to end, and leave it to itself where its volume does not answer."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._timeout_s)

    def _has_answered(self) -> bool:
        return self._answered == self._asked or self._resting

    def _current_failure(self) -> SinkFailed | None:
        if self._known is None:
            return SinkFailed("is not open.")
        if self._failure is not None:
            # A new one each time: one that is raised again and again grows by its tracebacks. And
            # without its reason: no space that the server gives back makes room on this volume.
            return type(self._failure)(str(self._failure))
        if self._late and self._answered != self._asked:
            return SinkFailed(
                f"has not answered for {self._timeout_s:g} s. Check its volume; it catches up by "
                "itself."
            )
        return None

    # --- the sink's own thread ---------------------------------------------------------------

    def _run(self) -> None:
        while (work := self._next()) is not None:
            failure = self._attempt(*work)
            with self._turn:
                self._note(failure)
                self._answered = work[0]
                self._late = False
                self._resting = failure is not None
                self._turn.notify_all()
                if failure is not None:
                    self._turn.wait_for(lambda: self._closing, self._retry_s)
                    self._resting = False
        self._file.close()

    def _next(self) -> tuple[int, Known, Delivery | None] | None:
        with self._turn:
            self._turn.wait_for(
                lambda: self._closing or self._failure is not None or self._answered != self._asked
            )
            if self._closing or self._known is None:
                return None
            return self._asked, self._known, self._delivery

    def _attempt(self, _ticket: int, known: Known, delivery: Delivery | None) -> SinkFailed | None:
        try:
            if not self._is_open:
                self._open(known.grown(delivery.size if delivery else 0))
            if delivery is not None:
                self._file.deliver(delivery)
        except SinkFailed as error:
            return self._closed(error)
        except Refusal as error:
            return self._closed(SinkFailed(f"could not be given the events. {error.message}"))
        except Exception as error:  # noqa: BLE001 - a thread that ended would be a sink that hangs
            name = type(error).__name__
            return self._closed(SinkFailed(f"could not be given the events ({name})."))
        return None

    def _open(self, known: Known) -> None:
        tail = self._file.open(known)
        self._is_open = True
        # Opened anew after a failure, it is behind of course.
        required = self.required and not self._was_open
        self._was_open = True
        change = change_of(self.name, self.path, tail, known, required=required)
        if change is not None:
            with self._turn:
                self._changes.append(change)

    def _closed(self, failure: SinkFailed) -> SinkFailed:
        self._file.close()
        self._is_open = False
        return failure

    def _note(self, failure: SinkFailed | None) -> None:
        was, self._failure = self._failure, failure
        if failure is not None and str(failure) != str(was):
            _LOG.error("the ledger's copy %s %s", self.name, failure)
        elif failure is None and was is not None:
            _LOG.warning("the ledger's copy %s is written again", self.name)
