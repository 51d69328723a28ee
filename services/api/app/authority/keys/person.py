"""A person as the ledger knows one: an id, and a salted commitment to the name. Pure.

The name itself is in one row of one table, and can be erased there: whoever has name and salt can
show that an event's commitment is to that name, and without the salt nobody can guess it back.
"""

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final

from app.authority.keys.values import HIDDEN
from app.domain.actors import Role
from app.domain.refusals import InvalidRequest

PERSONAL: Final = frozenset({Role.OPERATOR, Role.APPROVER, Role.AUDITOR})
"""Roles of people: a key with one of them belongs to whoever made it, others are bots'."""

SALT_BYTES: Final = 32
MAX_NAME: Final = 256
_LABEL: Final = b"lmx person name v1\0"
_ID: Final = re.compile(r"p-[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is about to be recorded. Name and salt are in no repr."""

    id: str
    name: str = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def commitment(self) -> bytes:
        return commitment(self.salt, self.name)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is recorded; `name` is None once it was erased."""

    id: str
    commitment: str
    created_us: int
    name: str | None
    keys: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "erased": self.name is None,
            "commitment": self.commitment,
            "created": self.created_us // 1_000_000,
            "keys": list(self.keys),
        }


def new_person(name: str) -> NewPerson:
    """Return a person with a fresh id and salt; a name no table could hold is made to fit."""
    plain = name.encode("utf-8", "backslashreplace").decode("utf-8")[:MAX_NAME]
    return NewPerson(f"p-{secrets.token_hex(4)}", plain, secrets.token_bytes(SALT_BYTES))


def parse_person_name(name: str) -> str:
    """Return `name`, or raise InvalidRequest: people decide by it who somebody is."""
    if not 1 <= len(name) <= MAX_NAME or name != name.strip():
        raise InvalidRequest(
            f"A person's name has 1 to {MAX_NAME} characters and no space around it.", param="name"
        )
    if any(unicodedata.category(char) in HIDDEN for char in name):
        raise InvalidRequest(
            "A person's name has printable characters only: no control or invisible ones.",
            param="name",
        )
    return name


def alike(one: str, other: str) -> bool:
    """Whether two names look the same to a person: by case, width and spacing they may differ."""
    return _folded(one) == _folded(other)


def commitment(salt: bytes, name: str) -> bytes:
    """SHA-256 over a label, 32 random bytes and the name."""
    return hashlib.sha256(_LABEL + salt + name.encode("utf-8")).digest()


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
