"""The only place that checks a model's signature, in the format of OpenSSF model signing.

A signature is a Sigstore bundle around a DSSE envelope around an in-toto statement that names each
file's SHA-256. Only signatures by key are checked: those by certificate or identity would need
others' servers. The digests that were signed are compared with those that were computed when the
bytes were taken in, so nothing is hashed twice and nothing can change in between. Pure.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from app.domain.models import Manifest

NAME: Final = "model.sig"
"""What the signature's file is called, beside the files that it signs."""
MAX_BYTES: Final = 8 << 20

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://model_signing/signature/v1.0"

_HASHES: Final[Mapping[int, hashes.HashAlgorithm]] = {
    256: hashes.SHA256(),
    384: hashes.SHA384(),
    521: hashes.SHA512(),
}
"""By the size of the curve, as the format says."""


class Signed(StrEnum):
    """What is known of a model's signature."""

    ABSENT = "absent"
    VERIFIED = "verified"
    UNKNOWN_SIGNER = "unknown_signer"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Signature:
    """The finding. `signer`: the name its key is kept under; `why`: what does not hold."""

    status: Signed
    signer: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """A signer that an operator trusts, by name."""

    name: str
    key: ec.EllipticCurvePublicKey

    @property
    def hint(self) -> str:
        """SHA-256 (hex) of the key as PEM, which signatures name their key by."""
        pem = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(pem).hexdigest()


class _Wrong(Exception):
    """What is wrong with a signature, in words that follow the file's name."""


def signer(name: str, pem: bytes) -> Signer:
    """The signer whose public key this is. ValueError for anything but a key on a NIST curve."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{name} is no public key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in _HASHES:
        raise ValueError(f"{name} is no key on the curves P-256, P-384 or P-521")
    return Signer(name, key)


def check(content: bytes, manifest: Manifest, signers: Sequence[Signer]) -> Signature:
    """What the signature in `content` says about the files of `manifest`. Raises nothing.

    Files that were signed and not taken in do not matter; a file that was taken in and not signed
    makes it invalid, and so does one whose digest is another.
    """
    try:
        payload, signature, hint = _opened(content)
        known = next((signer for signer in signers if signer.hint == hint), None)
        if known is None:
            return Signature(Signed.UNKNOWN_SIGNER, why="is by a key that nobody here trusts")
        _check_signature(known, payload, signature)
        _check_files(_resources(payload), manifest)
    except _Wrong as wrong:
        return Signature(Signed.INVALID, why=str(wrong))
    return Signature(Signed.VERIFIED, signer=known.name)


def _opened(content: bytes) -> tuple[bytes, bytes, str]:
    """The payload's bytes, the signature over them, and which key it says it is by."""
    bundle = _json(content)
    if bundle.get("mediaType") != BUNDLE:
        raise _Wrong("is no Sigstore bundle of version 0.3")
    envelope = _object(bundle, "dsseEnvelope")
    if envelope.get("payloadType") != PAYLOAD:
        raise _Wrong("does not hold an in-toto statement")
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise _Wrong("does not hold exactly one signature")
    public_key = _object(bundle, "verificationMaterial").get("publicKey")
    hint = public_key.get("hint") if isinstance(public_key, dict) else None
    if not isinstance(hint, str):
        hint = ""  # by certificate or identity: by nobody who is known here
    return _base64(envelope.get("payload")), _base64(_object(signatures[0], "").get("sig")), hint


def _check_signature(signer: Signer, payload: bytes, signature: bytes) -> None:
    # DSSE's pre-authentication encoding.
    signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    try:
        signer.key.verify(signature, signed, ec.ECDSA(_HASHES[signer.key.key_size]))
    except InvalidSignature as error:
        raise _Wrong(f"was not made with the key of {signer.name}") from error


def _resources(payload: bytes) -> dict[str, str]:
    """The signed files: SHA-256 by path. The statement's own root digest must agree with them."""
    statement = _json(payload)
    if statement.get("_type") != STATEMENT or statement.get("predicateType") != PREDICATE:
        raise _Wrong("holds a statement of another kind")
    predicate = _object(statement, "predicate")
    serialization = _object(predicate, "serialization")
    if (serialization.get("method"), serialization.get("hash_type")) != ("files", "sha256"):
        raise _Wrong("names files by something else than their SHA-256, which is not supported")
    resources, listed = {}, predicate.get("resources")
    root = hashlib.sha256()
    for resource in listed if isinstance(listed, list) else ():
        entry = _object(resource, "")
        name, digest = entry.get("name"), entry.get("digest")
        if not isinstance(name, str) or not isinstance(digest, str) or name in resources:
            raise _Wrong("names a file twice, or without its digest")
        if entry.get("algorithm") != "sha256":
            raise _Wrong("names a file by something else than its SHA-256")
        resources[name] = digest
        root.update(_hex(digest))
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise _Wrong("is not about exactly one model")
    if _object(_object(subjects[0], ""), "digest").get("sha256") != root.hexdigest():
        raise _Wrong("contradicts itself: its files do not add up to its root")
    return resources


def _check_files(signed: Mapping[str, str], manifest: Manifest) -> None:
    for artifact in manifest.artifacts:
        if artifact.path == NAME:
            continue
        if artifact.path not in signed:
            raise _Wrong(f"does not cover {artifact.path}")
        if signed[artifact.path] != artifact.sha256:
            raise _Wrong(f"was made over another {artifact.path}")


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _Wrong("is not JSON") from error
    return _object(found, "")


def _object(value: object, name: str) -> dict[str, Any]:
    """`value` itself, or what it holds under `name`, as an object."""
    found = value.get(name) if name and isinstance(value, dict) else value
    if not isinstance(found, dict):
        raise _Wrong(f"lacks {name or 'what it should hold'}")
    return found


def _base64(value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _Wrong("is not encoded as it should be") from error


def _hex(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError as error:
        raise _Wrong("names a file by what is no digest") from error
