"""Signed notes as C2SP specifies them (c2sp.org/signed-note), with Ed25519 and nothing else.

A note is text, a blank line and signature lines. Whoever verifies names the keys it knows; others
are ignored, a known key whose signature fails spoils the whole note, and so does a byte too many.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MAX_SIGNATURES: Final = 16
MAX_NOTE_BYTES: Final = 64 * 1024
_PUBLIC_BYTES: Final = 32
_MARK: Final = "\u2014 "
_NAME: Final = re.compile(r"[^\s+]+")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")  # but the newline

Signing = Callable[[bytes], bytes]
"""Ed25519 over a message: 64 bytes. What holds the private key hands this out and nothing else."""


class NoteInvalid(ValueError):
    """A note that is malformed, or that no known key vouches for; the message says why."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key's name, its signature type and its 32 public bytes: what others are given (a vkey)."""

    name: str
    type: int
    public: bytes

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or not self.name.isprintable():
            raise NoteInvalid("a key's name is one word without spaces and without a plus sign")
        if self.type not in (ED25519, COSIGNATURE):
            raise NoteInvalid(f"signature type 0x{self.type:02x} is not one this program knows")
        if len(self.public) != _PUBLIC_BYTES:
            raise NoteInvalid("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        typed = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return hashlib.sha256(typed).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the vkey line in groups of four digits: what two people compare aloud."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()
        return " ".join(digest[i : i + 4] for i in range(0, len(digest), 4))

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``name+id+base64``; the id must be the one the rest leads to."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            material = base64.b64decode(encoded, validate=True)
            found = cls(name, material[0], material[1:])
        except NoteInvalid:
            raise
        except (ValueError, IndexError) as error:
            raise NoteInvalid("a verifier key reads name+id+base64") from error
        if str(found) != text.strip():
            raise NoteInvalid(f"the key id {key_id[:16]!r} does not belong to this key")
        return found

    def check(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `raw` is what follows the key id: for Ed25519 the 64 bytes themselves."""

    name: str
    key_id: bytes
    raw: bytes

    def __str__(self) -> str:
        return f"{_MARK}{self.name} {base64.b64encode(self.key_id + self.raw).decode()}"

    def is_by(self, key: VerifierKey) -> bool:
        return self.name == key.name and self.key_id == key.id


@dataclass(frozen=True, slots=True)
class Note:
    """Text that ends in a newline, and the signature lines under it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{signature}\n" for signature in self.signatures)

    @classmethod
    def parse(cls, encoded: str | bytes) -> Self:
        """Read a note to its last byte, or raise NoteInvalid."""
        whole = _decoded(encoded)
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not text:
            raise NoteInvalid("a note has its text, a blank line, and then its signatures")
        if not lines.endswith("\n"):
            raise NoteInvalid("a note ends in a newline")
        signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
        if len(signatures) > MAX_SIGNATURES:
            raise NoteInvalid(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(text + "\n", signatures)

    def add(self, *signatures: Signature) -> Self:
        return type(self)(self.text, (*self.signatures, *signatures))

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Return the known keys that signed the text (Ed25519); raise NoteInvalid if none did.

        Lines of unknown keys, and of other signature types, are ignored as the specification says.
        """
        known = [key for key in keys if key.type == ED25519]
        vouching: list[VerifierKey] = []
        for signature in self.signatures:
            key = next((key for key in known if signature.is_by(key)), None)
            if key is None:
                continue
            if not key.check(self.text.encode(), signature.raw):
                raise NoteInvalid(f"the signature of {key.name} does not hold")
            if key not in vouching:
                vouching.append(key)
        if not vouching:
            raise NoteInvalid("no key that is known here signed this note")
        return tuple(vouching)


def verifier_key(name: str, private: Ed25519PrivateKey, type_: int = ED25519) -> VerifierKey:
    return VerifierKey(name, type_, private.public_key().public_bytes_raw())


def sign(text: str, key: VerifierKey, signing: Signing) -> Signature:
    """Sign `text`, which ends in its newline, as `key` (type Ed25519)."""
    if key.type != ED25519:
        raise NoteInvalid("only an Ed25519 key signs a note's text itself")
    return Signature(key.name, key.id, signing(text.encode()))


def _decoded(encoded: str | bytes) -> str:
    try:
        whole = encoded.decode("utf-8") if isinstance(encoded, bytes) else encoded
        size = len(whole.encode("utf-8"))
    except UnicodeError as error:
        raise NoteInvalid("a note is UTF-8") from error
    if size > MAX_NOTE_BYTES:
        raise NoteInvalid(f"a note has at most {MAX_NOTE_BYTES} bytes")
    if _CONTROL.search(whole):
        raise NoteInvalid("a note holds no control character but the newline")
    return whole


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space or _NAME.fullmatch(name) is None:
        raise NoteInvalid("a signature line reads: em dash, key name, base64")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("a signature is not base64") from error
    if len(raw) <= 4 or base64.b64encode(raw).decode() != encoded:
        raise NoteInvalid("a signature is a key id of four bytes and what it signed with")
    return Signature(name, raw[:4], raw[4:])
