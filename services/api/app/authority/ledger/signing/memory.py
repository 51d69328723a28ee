"""The only place that touches the signer's memory file.

Every append waits for it: one pwrite and one sync of a file that never changes its size. The file
is opened once; that it is still the one under its name, and still says what was written to it last,
is looked at before each write, so a file that was deleted, replaced, put back or shared is noticed.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from app.authority.ledger.signing.files import (
    RESTORE,
    not_written,
    open_private,
    sync,
    unusable,
    write_private,
)
from app.authority.ledger.signing.slots import (
    MEMORY_BYTES,
    SLOT_BYTES,
    MemoryInvalid,
    Remembered,
    encode,
    newest,
)
from app.domain.refusals import AuditUnavailable
from app.evidence.merkle import Frontier

_Facts = tuple[int, int, int, int, int, int]
_WHAT: Final = (
    "was replaced by another one",
    "was replaced by another one",
    "was opened to others",
    "was given to another account",
    "has a second name (a hard link)",
    "was cut or extended",
)
"""What it means when the facts of `_facts` differ, in their order."""


class MemoryFile:
    """The open file and what it holds. `close` it; one process at a time has it open."""

    def __init__(self, path: Path, descriptor: int, head: Remembered, *, damaged: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._facts = _facts(os.fstat(descriptor))
        self._slot = encode(head)
        self.head = head
        self.damaged = damaged

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the memory at `path`; raises StartRefused with what is wrong with it."""
        descriptor = open_private(path, os.O_RDWR)
        try:
            head, damaged = newest(os.pread(descriptor, MEMORY_BYTES + 1, 0))
            return cls(path, descriptor, head, damaged=damaged)
        except MemoryInvalid as error:
            os.close(descriptor)
            raise unusable(path, str(error)) from error
        except BaseException:
            os.close(descriptor)
            raise

    def remember(self, frontier: Frontier, key_id: str) -> None:
        """Have this head on the disk, or raise AuditUnavailable and keep the one before.

        A write that failed is done again over the same slot: the other one holds what counts.
        """
        head = self.head.next(frontier, key_id)
        slot = encode(head)
        try:
            self._check()
            if os.pwrite(self._descriptor, slot, head.slot * SLOT_BYTES) != SLOT_BYTES:
                raise OSError(errno.ENOSPC, "only a part was written")
            sync(self._descriptor)
        except OSError as error:
            raise not_written(self._path, error) from error
        self.head, self._slot, self.damaged = head, slot, False

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):  # what counts was synced when it was written
                os.close(descriptor)

    def _check(self) -> None:
        try:
            found = _facts(self._path.lstat())
        except FileNotFoundError as error:
            raise self._lost("was deleted") from error
        if found != self._facts:
            pairs = zip(_WHAT, self._facts, found, strict=True)
            raise self._lost(next(what for what, before, now in pairs if before != now))
        if os.pread(self._descriptor, SLOT_BYTES, self.head.slot * SLOT_BYTES) != self._slot:
            raise self._lost("was written by somebody else")

    def _lost(self, what: str) -> AuditUnavailable:
        return AuditUnavailable(
            f"The signer's memory {self._path} {what} while the server ran, so nothing was signed. "
            f"Put back the file as it was, and restart the server. If it is lost: {RESTORE}",
            details={"reason": what},
        )


def create(path: Path, *, origin: str, key_id: str) -> None:
    """Write the memory of a signer that has signed nothing, durably; raises OSError."""
    first = Remembered(0, origin, key_id, Frontier())
    write_private(path, encode(first) + encode(first.next(Frontier(), key_id)))


def _facts(found: os.stat_result) -> _Facts:
    return (
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_uid,
        found.st_nlink,
        found.st_size,
    )
