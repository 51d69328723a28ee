"""A sink that the ledger's writer writes itself: the one beside the database, always required."""

from collections.abc import Sequence
from pathlib import Path

from app.authority.ledger.sinks.comparing import change_of
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import Delivery, Known, SinkChange, SinkFailed
from app.evidence.notes import VerifierKey


class Inline:
    """A file on a volume without which the server could not run anyway.

    What somebody did to the file stays an error until a restart, which records it.
    """

    required = True

    def __init__(self, name: str, file: FileSink) -> None:
        self.name = name
        self._file = file
        self._delivery: Delivery | None = None
        self._why = "not open"

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def why(self) -> str:
        return self._why

    def open(self, known: Known) -> SinkChange | None:
        tail = self._file.open(known)
        self._why = ""
        return change_of(self.name, self.path, tail, known, required=True)

    def trust(self, keys: Sequence[VerifierKey]) -> None:
        """It is opened once, with the keys of that time."""

    def begin(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def finish(self) -> None:
        if self._delivery is None:
            return
        delivery, self._delivery = self._delivery, None
        try:
            self._file.deliver(delivery)
        except SinkFailed as error:
            self._why = str(error)
            raise
        self._why = ""

    def changes(self) -> list[SinkChange]:
        return []

    def close(self) -> None:
        self._file.close()
        self._why = "not open"
