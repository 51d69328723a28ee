"""All sinks of a ledger: opened at boot, given every group, and shown on the status page."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from app.authority.ledger.sinks.apart import Apart
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.inline import Inline
from app.authority.ledger.sinks.values import (
    Bodies,
    Delivery,
    Known,
    Sink,
    SinkChange,
    SinkContradicts,
    SinkFailed,
    SinkState,
)
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence.notes import Note, VerifierKey

OWN: Final = "own"
OWN_FILE: Final = "events.jsonl"

_LOG: Final = logging.getLogger(__name__)


def own_sink(directory: Path) -> Inline:
    """The sink that every installation has, beside its database."""
    return Inline(OWN, FileSink(directory / OWN_FILE))


def further_sink(directory: Path, *, install_id: str, required: bool, timeout_s: float) -> Apart:
    """A configured sink, named by its directory; installations may share one."""
    file = FileSink(directory / f"lmx-ledger-{install_id}.jsonl")
    return Apart(str(directory), file, required=required, timeout_s=timeout_s)


class Sinks:
    """One caller at a time opens and delivers (the ledger's writer); any thread asks for states."""

    def __init__(self, sinks: Iterable[Sink] = ()) -> None:
        self._sinks = tuple(sinks)
        self._size = 0

    def open(
        self, *, size: int, root_at: Callable[[int], bytes], keys: Sequence[VerifierKey]
    ) -> list[SinkChange]:
        """Compare each sink with the database; return what the ledger should record.

        Raises StartRefused where a sink and the database contradict each other, and where a
        required sink cannot be opened. `root_at` may be called later, on another thread.
        """
        known = Known(size, root_at, tuple(keys))
        self._size = size
        try:
            changes = [self._opened(sink, known) for sink in self._sinks]
        except BaseException:
            self.close()
            raise
        return [change for change in changes if change is not None]

    def trust(self, keys: Sequence[VerifierKey]) -> None:
        """The log's keys changed: sinks that are opened anew are read with these."""
        for sink in self._sinks:
            sink.trust(keys)

    def deliver(self, *, size: int, note: Note, bodies: Bodies) -> None:
        """Return when every required sink holds the first `size` events and the note, durably.

        `bodies` is kept until a sink that lags has caught up, and may be called on another thread.
        Raises AuditUnavailable where a required sink did not take it, after all have been tried.
        """
        self._size = size
        delivery = Delivery(size, note, bodies)
        for sink in self._sinks:
            sink.begin(delivery)
        refused: AuditUnavailable | None = None
        for sink in self._sinks:
            try:
                sink.finish()
            except SinkFailed as error:
                if sink.required and refused is None:
                    refused = AuditUnavailable(
                        f"{_sentence(sink, error)} Until then nothing that must be recorded is "
                        "done.",
                        details={"sink": sink.name, "reason": error.reason},
                    )
        if refused is not None:
            raise refused

    def changes(self) -> list[SinkChange]:
        """Return, once, what was found since `open`: on a volume that came back, for one."""
        return [change for sink in self._sinks for change in sink.changes()]

    def states(self) -> list[SinkState]:
        return [self._state(sink) for sink in self._sinks]

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()

    @staticmethod
    def _opened(sink: Sink, known: Known) -> SinkChange | None:
        try:
            return sink.open(known)
        except SinkFailed as error:
            if sink.required or isinstance(error, SinkContradicts):
                raise StartRefused(_sentence(sink, error)) from error
            _LOG.error("%s", _sentence(sink, error))
            return None

    def _state(self, sink: Sink) -> SinkState:
        size, why = sink.size, sink.why
        lag = max(0, self._size - size)
        return SinkState(
            name=sink.name,
            path=sink.path,
            required=sink.required,
            size=size,
            lag=lag,
            ok=not why,
            why=f"The ledger's copy {sink.name} {why}" if why else "",
        )


def _sentence(sink: Sink, error: SinkFailed) -> str:
    return f"The ledger's copy {sink.name} ({sink.path}) {error}"
