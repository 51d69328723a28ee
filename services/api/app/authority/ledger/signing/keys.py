"""The only place that holds a private signing key, and the file of all public ones there ever were.

The private key never leaves: what others get are signatures, tags and the verifier key.
"""

import hmac
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.authority.ledger.signing.files import read_private, read_public, unusable, write_private
from app.evidence.notes import NoteInvalid, VerifierKey, verifier_key

_TAG_LABEL: Final = b"lmx-authority ledger commit tag v1"
_SIZE_BYTES: Final = 8


class SigningKey:
    """An Ed25519 key and what may be done with it."""

    __slots__ = ("_private", "_tag_key", "vkey")

    def __init__(self, origin: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._tag_key = hmac.digest(private.private_bytes_raw(), _TAG_LABEL, "sha256")
        self.vkey = verifier_key(origin, private)

    def __repr__(self) -> str:
        return f"SigningKey({self.vkey})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not copied")

    @classmethod
    def generate(cls, origin: str) -> Self:
        return cls(origin, Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path, origin: str) -> Self:
        """Read the key (PEM, PKCS #8) at `path`; raises StartRefused."""
        encoded = read_private(path)
        try:
            private = load_pem_private_key(encoded, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # Without the cause: a parser's message may quote what it could not parse.
            raise unusable(path, "it does not hold a private key in PEM") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise unusable(path, "it holds a key that is not Ed25519")
        return cls(origin, private)

    def write(self, path: Path) -> None:
        """Put the private key at `path`, durably; raises OSError."""
        write_private(
            path, self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    @property
    def id(self) -> str:
        return self.vkey.id.hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def tag(self, size: int, root: bytes) -> bytes:
        """Return HMAC-SHA256 over the size and the root, by a key derived from the private one."""
        return hmac.digest(self._tag_key, size.to_bytes(_SIZE_BYTES, "big") + root, "sha256")


def read_keys(path: Path, origin: str) -> tuple[VerifierKey, ...]:
    """Return the verifier keys at `path`, oldest first; raises StartRefused."""
    try:
        lines = read_public(path).decode("utf-8").splitlines()
        keys = tuple(VerifierKey.parse(line) for line in lines)
    except UnicodeError as error:
        raise unusable(path, "it is not text") from error
    except NoteInvalid as error:
        raise unusable(path, f"a line of it is not a verifier key: {error}") from error
    if any(key.name != origin for key in keys):
        raise unusable(path, f"it names keys of another log than {origin}")
    return keys


def write_keys(path: Path, keys: tuple[VerifierKey, ...]) -> None:
    """Put one verifier key a line at `path`, durably; raises OSError."""
    write_private(path, "".join(f"{key}\n" for key in keys).encode())
