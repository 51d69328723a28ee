"""The only place that decides what the signer's files amount to at a start, and makes the first.

A key without its memory, or a memory without its key, is never completed with a new one: that would
be a signer that has forgotten what it signed. Only what an interrupted first start or an
interrupted rotation left is brought to its end.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from app.authority.ledger.signing import memory as memory_file
from app.authority.ledger.signing.files import (
    RESTORE,
    Places,
    check_directory,
    place,
    present,
    unusable,
)
from app.authority.ledger.signing.keys import SigningKey, read_keys, write_keys
from app.authority.ledger.signing.memory import MemoryFile
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence.notes import VerifierKey

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Material:
    """What a signer works with: the current key, a rotation's new one, all keys, the memory."""

    places: Places
    key: SigningKey
    pending: SigningKey | None
    keys: tuple[VerifierKey, ...]
    memory: MemoryFile

    @classmethod
    def open(cls, directory: Path, *, origin: str, may_create: bool) -> Self:
        """Open what is there, or raise StartRefused with what happened and what to do."""
        places = Places(directory)
        try:
            if may_create:
                directory.mkdir(mode=0o700, exist_ok=True)
            check_directory(directory)
            _complete(places, origin, may_create=may_create)
            return cls._read(places, origin)
        except AuditUnavailable as refusal:
            raise StartRefused(refusal.message, details=refusal.details) from refusal
        except OSError as error:
            why = error.strerror or str(error)
            raise unusable(directory, why, "Make it yours and writable, then start again.") from (
                error
            )

    @classmethod
    def _read(cls, places: Places, origin: str) -> Self:
        memory = MemoryFile.open(places.memory)
        try:
            if memory.head.origin != origin:
                raise unusable(
                    places.memory, f"it is of another log, {memory.head.origin}, not of {origin}"
                )
            if memory.damaged:
                _LOG.warning("one slot of the signer's memory was damaged; the other one counts")
            key, pending = _keys(places, origin, memory)
            keys = read_keys(places.keys, origin)
            if key.vkey not in keys:
                raise unusable(places.keys, f"it does not name the current key {key.id}")
        except BaseException:
            memory.close()
            raise
        return cls(places, key, pending, keys, memory)


def _keys(places: Places, origin: str, memory: MemoryFile) -> tuple[SigningKey, SigningKey | None]:
    """Return the current and the pending key. The memory says which one is the current key."""
    remembered = memory.head.key_id
    key = SigningKey.read(places.key, origin)
    pending = SigningKey.read(places.next_key, origin) if present(places.next_key) else None
    if key.id == remembered:
        return key, pending
    if pending is not None and pending.id == remembered:
        place_next(places, pending, memory)
        return pending, None
    raise unusable(
        places.key, f"the signer remembers signing with the key {remembered}, and this is {key.id}"
    )


def place_next(places: Places, new: SigningKey, memory: MemoryFile) -> None:
    """The end of a rotation, after the memory has named the new key; may be done twice.

    The memory is written once more first, so that both of its slots name the new key before the old
    one is gone. Raises AuditUnavailable, OSError.
    """
    memory.remember(memory.head.frontier, new.id)
    if not present(places.next_key):
        new.write(places.next_key)  # a first attempt got as far as the name, and not to the disk
    place(places.next_key, places.key)


def _complete(places: Places, origin: str, *, may_create: bool) -> None:
    """See to it that key and memory are both there, or raise StartRefused."""
    has_key, has_memory = present(places.key), present(places.memory)
    if has_key and has_memory:
        return
    being_made = present(places.first_memory)
    if may_create and has_key and being_made:
        _finish_creation(places, origin)
    elif may_create and not (has_key or has_memory) and (being_made or not present(places.keys)):
        _create(places, origin)
    else:
        raise _incomplete(places, has_key=has_key, has_memory=has_memory)


def _create(places: Places, origin: str) -> None:
    """Make memory and key. The memory gets its name last: with it, the signer is there."""
    key = SigningKey.generate(origin)
    memory_file.create(places.first_memory, origin=origin, key_id=key.id)
    write_keys(places.keys, (key.vkey,))
    key.write(places.key)
    _finish_creation(places, origin)


def _finish_creation(places: Places, origin: str) -> None:
    key = SigningKey.read(places.key, origin)
    first = MemoryFile.open(places.first_memory)
    head = first.head
    first.close()
    if (head.origin, head.key_id, head.frontier.size) != (origin, key.id, 0):
        raise unusable(places.first_memory, "it is not that of a signer which was being made")
    place(places.first_memory, places.memory)


def _incomplete(places: Places, *, has_key: bool, has_memory: bool) -> StartRefused:
    if has_key:
        what = f"The signer's memory {places.memory} is missing, and its key is there"
    elif has_memory:
        what = f"The signing key {places.key} is missing, and the signer's memory is there"
    else:
        what = f"The signing key and the signer's memory are missing in {places.directory}"
    return StartRefused(
        f"{what}: nothing can say any more what this server has signed. {RESTORE}",
        details={"reason": "signer_incomplete"},
    )
