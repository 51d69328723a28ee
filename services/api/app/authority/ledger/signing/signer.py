"""The only place that signs checkpoints, and that remembers which ones it signed.

The signer takes leaves, never a root: it extends what it remembers by them, has that on the disk,
and only then signs. So two heads of its making can never contradict each other.
"""

import hmac
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from app.authority.ledger.signing.agreement import agrees
from app.authority.ledger.signing.files import Places, not_written, remove
from app.authority.ledger.signing.keys import SigningKey, write_keys
from app.authority.ledger.signing.opening import Material, place_next
from app.evidence.checkpoints import Checkpoint, signed
from app.evidence.merkle import HASH_BYTES
from app.evidence.notes import Note, VerifierKey

__all__ = ["Signer", "agrees"]


class Signer:
    """The keys and the memory of one log. One caller at a time signs; anybody may read."""

    def __init__(self, material: Material) -> None:
        self._places: Places = material.places
        self._memory = material.memory
        self._key: SigningKey = material.key
        self._pending: SigningKey | None = material.pending
        self._keys = material.keys
        self._unplaced = False  # a rotation's new key signs already, but has not its name yet
        self._changing = threading.Lock()
        # Each is replaced as a whole, so that a reader never sees a size with another one's root.
        self._head = self._remembered()
        self._note: Note | None = None
        self._publish()

    @classmethod
    def open(cls, directory: Path, *, origin: str, may_create: bool) -> Self:
        """Open the signer in `directory`, or make one where `may_create` and there is none.

        `may_create` belongs to a database that holds no event of this signer. Raises StartRefused.
        """
        return cls(Material.open(directory, origin=origin, may_create=may_create))

    def __repr__(self) -> str:
        return f"Signer({self.key}, size={self.size})"

    @property
    def origin(self) -> str:
        return self._head.origin

    @property
    def key(self) -> VerifierKey:
        return self._key.vkey

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key there ever was, oldest first; a pending one joins when it becomes current."""
        return self._keys

    @property
    def pending(self) -> VerifierKey | None:
        """The new key of a rotation that has begun; both keys sign until it is finished."""
        return None if self._pending is None else self._pending.vkey

    @property
    def size(self) -> int:
        return self._head.size

    @property
    def root(self) -> bytes:
        return self._head.root

    def tag(self, size: int, root: bytes) -> bytes:
        """Return 32 bytes that only this signer makes for a size and its root.

        A pending key makes none: were its rotation undone, nobody could check them any more.
        Whatever is committed has to be signed before the rotation is finished.
        """
        return self._key.tag(size, root)

    def check_tag(self, size: int, root: bytes, tag: bytes) -> bool:
        """Whether this signer vouches for these events: by the tag, or because it signed them.

        The tag of what was signed is not looked at: a key that is retired may have made it.
        """
        if (size, root) == (self._head.size, self._head.root):
            return True
        return hmac.compare_digest(self._key.tag(size, root), tag)

    def sign(self, leaves: Sequence[bytes]) -> Note:
        """Return the note over what was signed before and these leaf hashes after it.

        Raises AuditUnavailable when it cannot be remembered: then nothing was signed.
        """
        if any(len(leaf) != HASH_BYTES for leaf in leaves):
            raise ValueError("a leaf hash has 32 bytes")
        with self._changing:
            if leaves:
                frontier = self._memory.head.frontier.append(leaves)
                self._memory.remember(frontier, self._key.id)
                self._head = self._remembered()
            elif self._note is not None:
                return self._note
            return self._publish()

    def note(self) -> Note | None:
        """Return the note over the head that was signed last; None before the first one.

        After a crash it is what would have been published: the same bytes again.
        """
        return self._note

    def begin_rotation(self) -> VerifierKey:
        """Make a new key, which signs beside the current one from now on; return it.

        Where a rotation is pending, this is its key. Raises AuditUnavailable.
        """
        with self._changing:
            if self._pending is None:
                if self._unplaced:
                    self._place_next()
                new = SigningKey.generate(self.origin)
                with _writing(self._places.next_key):
                    new.write(self._places.next_key)
                self._pending = new
                self._publish()
            return self._pending.vkey

    def finish_rotation(self) -> VerifierKey:
        """Make the pending key the current one and return it; the old one is gone after this.

        Whatever is committed has to be signed before. Raises AuditUnavailable; calling it again,
        or the next start, goes on where it stopped.
        """
        with self._changing:
            if self._pending is not None:
                self._make_current(self._pending)
            if not self._unplaced:
                raise ValueError("no rotation has begun")
            self._place_next()
            return self.key

    def cancel_rotation(self) -> None:
        """Destroy the pending key, if there is one; raises AuditUnavailable.

        Whatever is committed has to be signed before.
        """
        with self._changing:
            if self._pending is None:
                return
            # A `finish_rotation` that failed may have left the new key's id in the other slot.
            self._memory.remember(self._memory.head.frontier, self._key.id)
            with _writing(self._places.next_key):
                remove(self._places.next_key)
            self._pending = None
            self._publish()

    def close(self) -> None:
        """Let go of the memory; nothing is signed afterwards."""
        with self._changing:
            self._memory.close()

    def _make_current(self, new: SigningKey) -> None:
        with _writing(self._places.next_key):
            new.write(self._places.next_key)  # whatever became of the file meanwhile
        if new.vkey not in self._keys:
            with _writing(self._places.keys):
                write_keys(self._places.keys, (*self._keys, new.vkey))
            self._keys = (*self._keys, new.vkey)
        # With this the new key is the current one: a start goes by what the memory names.
        self._memory.remember(self._memory.head.frontier, new.id)
        self._key, self._pending, self._unplaced = new, None, True
        self._publish()

    def _place_next(self) -> None:
        with _writing(self._places.key):
            place_next(self._places, self._key, self._memory)
        self._unplaced = False

    def _remembered(self) -> Checkpoint:
        head = self._memory.head
        return Checkpoint(head.origin, head.frontier.size, head.frontier.root())

    def _signing(self) -> list[SigningKey]:
        return [self._key] if self._pending is None else [self._key, self._pending]

    def _publish(self) -> Note:
        note = signed(self._head, *((key.vkey, key.sign) for key in self._signing()))
        self._note = note if self._head.size else None
        return note


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error
