"""The only place that writes a sink's file: appended to, synced, and watched before every write.

A file that was deleted, replaced, linked, shortened, or written to by somebody else is noticed at
the next append, because what is there must be what this program left there, to the byte.

The file is never shortened, so it may carry the file system's append-only attribute. When a write
fails, the next one first ends the cut line (`sink_lines.CUT_OFF`), then repeats what was not
synced. A restart reads the tail: events that came through whole stay, after the database has
confirmed them, and the rest follows.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.authority.ledger.sinks.comparing import compare
from app.authority.ledger.sinks.tail import SYNCED_BYTES, Tail, read_tail
from app.authority.ledger.sinks.values import (
    Bodies,
    Delivery,
    Known,
    SinkContradicts,
    SinkFailed,
)
from app.evidence.merkle import leaf_hash
from app.evidence.notes import Note
from app.evidence.sink_lines import CUT_OFF, checkpoint_line, event_line

_WRITING: Final = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BATCH: Final = 256
"""Events asked for at a time: at most 8 MiB of them."""
_FULL_SYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)

_WHAT_TO_DO: Final[Mapping[int, str]] = {
    errno.ENOSPC: "its volume is full. Free some space there",
    errno.EDQUOT: "this account's quota there is used up. Free some space",
    errno.EFBIG: "it has reached the largest size a file may have there. Raise that limit",
    errno.EIO: "its volume reports errors. Check the volume",
    errno.EROFS: "its volume is read-only. Make it writable",
    errno.EACCES: "this account may not write there. Make it writable",
    errno.EPERM: "this account may not write there. Make it writable",
    errno.ELOOP: "a symbolic link is in its place. Remove the link",
    errno.EISDIR: "a directory is in its place. Move it away",
    errno.ENXIO: "something that is not a file is in its place. Move it away",
    errno.ENOENT: "its directory is not there. Make it, or mount its volume",
    errno.ENOTDIR: "its directory is not there. Make it, or mount its volume",
}
_RESTART: Final = (
    "Keep what is there as evidence, then restart the server: it records what it finds and brings "
    "the copy up to date from the database."
)


class FileSink:
    """One file. Not safe for two threads at once: the ledger's writer, or a thread of its own.

    `open` and `deliver` raise SinkFailed, whose message continues "The ledger's copy NAME (PATH)".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = str(path)
        self._descriptor = -1
        self._identity = (0, 0)
        self._bytes = 0
        self._next = 1
        self._note: Note | None = None
        self._cut = False
        self._unconfirmed: Tail | None = None
        self.size = 0

    def open(self, known: Known) -> Tail | None:
        """Open or begin the file and compare it with the database; None where it was begun.

        The directory must exist: a mount point whose volume is absent is not written into.
        """
        self.close()
        try:
            made = self._open()
            if made:
                _sync_directory(self.path.parent)
            tail = self._read_tail(known)
            self._sync()
        except OSError as error:
            self.close()
            raise SinkFailed(f"cannot be opened: {_reason(error)}.") from error
        except SinkFailed:
            self.close()
            raise
        self.size, self._next = tail.size, tail.size + tail.uncovered + 1
        self._cut = tail.cut
        self._unconfirmed = tail if tail.uncovered else None
        newest = tail.newest
        self._note = newest.note if newest and newest.checkpoint.size == tail.size else None
        return None if made or not self._bytes else tail

    def deliver(self, delivery: Delivery) -> None:
        """Write whatever is missing of a delivery; durable when this returns."""
        if self._descriptor < 0:
            raise SinkFailed("is not open. Restart the server.")
        self._check_place()
        if self._note is not None and delivery.size == self.size and delivery.note == self._note:
            return
        if delivery.size < self._next - 1:
            raise SinkContradicts(
                f"holds {self._next - 1} events and is given {delivery.size}: the database went "
                "back while the server ran. Stop the server and keep both as evidence."
            )
        if self._unconfirmed is not None:
            self._confirm(self._unconfirmed, delivery.bodies)
        self._write_all(delivery)
        self.size, self._note = delivery.size, delivery.note

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)

    def _open(self) -> bool:
        """Open the file, make it where there is none; True when it was made."""
        try:
            self._descriptor, made = os.open(self._place, _WRITING), False
        except FileNotFoundError:
            flags = _WRITING | os.O_CREAT | os.O_EXCL
            self._descriptor, made = os.open(self._place, flags, 0o600), True
        found = os.fstat(self._descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self._bytes = found.st_size
        if stat.S_IMODE(found.st_mode) & 0o077:
            with suppress(OSError):  # some volumes know no modes
                os.fchmod(self._descriptor, 0o600)
        self._check_place()
        return made

    def _read_tail(self, known: Known) -> Tail:
        reading = os.open(self._place, _READING)
        try:
            found = os.fstat(reading)
            if (found.st_dev, found.st_ino) != self._identity:
                raise SinkFailed(f"was replaced while it was opened. {_RESTART}")
            tail = read_tail(reading, self._bytes, known.keys)
        finally:
            os.close(reading)
        compare(tail, known)
        return tail

    def _check_place(self) -> None:
        """Raise SinkFailed unless the path leads to the file that is open, as it was left."""
        try:
            held = os.fstat(self._descriptor)
            placed = os.lstat(self._place)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SinkFailed(f"was deleted or moved away. {_RESTART}") from error
        except OSError as error:
            raise SinkFailed(f"cannot be reached: {_reason(error)}.") from error
        if (placed.st_dev, placed.st_ino) != self._identity:
            raise SinkFailed(f"was replaced by {_what(placed.st_mode)}. {_RESTART}")
        if not stat.S_ISREG(held.st_mode):
            raise SinkFailed(f"is {_what(held.st_mode)}, not a file. Move it away.")
        if held.st_nlink != 1:
            raise SinkFailed(
                f"has {held.st_nlink} names (hard links), so that it can be written to from "
                "elsewhere. Remove the other names."
            )
        if held.st_size < self._bytes:
            raise SinkFailed(
                f"was shortened from {self._bytes} to {held.st_size} bytes by somebody else. "
                f"{_RESTART}"
            )
        if held.st_size > self._bytes:
            raise SinkFailed(
                f"was written to by somebody else: it has {held.st_size} bytes, "
                f"{held.st_size - self._bytes} more than this server wrote. {_RESTART}"
            )

    def _confirm(self, tail: Tail, bodies: Bodies) -> None:
        """What stands behind the last checkpoint must be what the database has there."""
        digest = hashlib.sha256()
        for body in bodies(tail.size + 1, tail.size + tail.uncovered):
            digest.update(leaf_hash(body))
        if digest.digest() != tail.uncovered_digest:
            raise SinkContradicts(
                f"holds other events than the database after event {tail.size}. One of the two "
                "was altered: stop the server, keep both as evidence, and move the copy away."
            )
        self._unconfirmed = None

    def _write_all(self, delivery: Delivery) -> None:
        parts = [CUT_OFF] if self._cut else []
        held, following = 0, self._next
        for first in range(following, delivery.size + 1, _BATCH):
            bodies = _taken(delivery.bodies, first, min(first + _BATCH - 1, delivery.size))
            parts += map(event_line, bodies)
            held += sum(map(len, bodies))
            following += len(bodies)
            if held >= SYNCED_BYTES:
                self._append(b"".join(parts))
                parts, held, self._next = [], 0, following
        parts.append(checkpoint_line(str(delivery.note)))
        self._append(b"".join(parts))
        self._next = following

    def _append(self, data: bytes) -> None:
        before, left = self._bytes, memoryview(data)
        try:
            while left:
                count = self._write(left)
                self._bytes += count
                left = left[count:]
            self._sync()
        except OSError as error:
            self._cut = True
            # What an error did to the size is not known: whatever it is now was our own write.
            with suppress(OSError):
                now = os.fstat(self._descriptor).st_size
                if before <= now <= before + len(data):
                    self._bytes = now
            reason = errno.errorcode.get(error.errno or 0, "")
            raise SinkFailed(f"cannot be written: {_reason(error)}.", reason=reason) from error
        self._cut = False

    def _write(self, data: memoryview) -> int:
        return os.write(self._descriptor, data)

    def _sync(self) -> None:
        sync_data(self._descriptor)


def sync_data(descriptor: int) -> None:
    """Return when the file's bytes are on the disk, past the disk's own cache on macOS."""
    if _FULL_SYNC is not None:
        with suppress(OSError):  # some volumes cannot; fsync then says whether that failed too
            fcntl.fcntl(descriptor, _FULL_SYNC)
            return
        os.fsync(descriptor)
        return
    os.fdatasync(descriptor)


def _taken(bodies: Bodies, first: int, last: int) -> list[bytes]:
    """A list, so that a volume that blocks does not leave a query open meanwhile."""
    taken = list(bodies(first, last))
    if len(taken) != last - first + 1:
        raise SinkFailed(
            f"was given {len(taken)} of the events {first} to {last}: the database lacks some. "
            "Stop the server and run: lmx ledger verify"
        )
    return taken


def _reason(error: OSError) -> str:
    return _WHAT_TO_DO.get(error.errno or 0, f"{error.strerror or error}. Check its volume")


def _what(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a directory"
    return "another file" if stat.S_ISREG(mode) else "a device, pipe or socket"


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # network volumes sync files only
            raise
    finally:
        os.close(descriptor)
