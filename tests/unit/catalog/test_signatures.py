"""A signature that model-signing 1.1.1 made, and what becomes of it when anything is changed."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.authority.catalog.signatures import Signature, Signed, check, signer
from app.domain.models import Artifact, Manifest

HERE = Path(__file__).parent / "signed"
CONTENT = (HERE / "model.sig").read_bytes()
ACME = signer("acme", (HERE / "signer.pub").read_bytes())


def artifact(path: Path) -> Artifact:
    content = path.read_bytes()
    return Artifact(path.name, len(content), hashlib.sha256(content).hexdigest())


MANIFEST = Manifest(tuple(sorted(artifact(path) for path in (HERE / "model").iterdir())))


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The signature with its bundle changed."""
    bundle = json.loads(CONTENT)
    change(bundle)
    return json.dumps(bundle).encode()


def restated(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The signature over another statement than the one that was signed."""

    def restate(bundle: dict[str, Any]) -> None:
        envelope = bundle["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    return changed(restate)


def test_what_the_reference_signed_holds() -> None:
    assert check(CONTENT, MANIFEST, [ACME]) == Signature(Signed.VERIFIED, "acme")


def test_its_own_file_need_not_be_signed_and_others_may_be_left_out() -> None:
    with_signature = Manifest((*MANIFEST.artifacts, Artifact("model.sig", 1, "0" * 64)))
    assert check(CONTENT, with_signature, [ACME]).status is Signed.VERIFIED
    assert check(CONTENT, Manifest(MANIFEST.artifacts[:1]), [ACME]).status is Signed.VERIFIED


def test_a_file_more_or_another_byte_does_not_hold() -> None:
    more = Manifest((*MANIFEST.artifacts, Artifact("tokenizer.json", 1, "0" * 64)))
    assert "does not cover tokenizer.json" in check(CONTENT, more, [ACME]).why
    other = Manifest((Artifact("config.json", 2, "0" * 64),))
    assert "over another config.json" in check(CONTENT, other, [ACME]).why


def test_a_signer_whom_nobody_trusts_is_said_to_be_unknown() -> None:
    assert check(CONTENT, MANIFEST, []).status is Signed.UNKNOWN_SIGNER


def test_another_key_under_the_same_hint_does_not_hold() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    evil = signer("evil", pem)
    content = changed(lambda b: b["verificationMaterial"]["publicKey"].update(hint=evil.hint))
    assert check(content, MANIFEST, [evil]).status is Signed.INVALID


RESTATED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a digest": lambda s: s["predicate"]["resources"][0].update(digest="0" * 64),
    "no file": lambda s: s["predicate"].update(resources=[]),
    "a file twice": lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]),
    "another kind": lambda s: s.update(predicateType="https://example.org"),
    "two models": lambda s: s["subject"].append(s["subject"][0]),
    "shards": lambda s: s["predicate"]["serialization"].update(method="shards"),
}


@pytest.mark.parametrize("change", RESTATED)
def test_another_statement_than_the_one_that_was_signed_does_not_hold(change: str) -> None:
    assert check(restated(RESTATED[change]), MANIFEST, [ACME]).status is Signed.INVALID


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "media type": lambda b: b.update(mediaType="x"),
    "no envelope": lambda b: b.pop("dsseEnvelope"),
    "no signature": lambda b: b["dsseEnvelope"].update(signatures=[]),
    "two signatures": lambda b: b["dsseEnvelope"].update(
        signatures=b["dsseEnvelope"]["signatures"] * 2
    ),
    "not base64": lambda b: b["dsseEnvelope"].update(payload="%%%"),
    "a number": lambda b: b["dsseEnvelope"].update(payload=7),
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_bundle_does_not_hold(change: str) -> None:
    assert check(changed(BROKEN[change]), MANIFEST, [ACME]).status is Signed.INVALID


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_bundle_does_not_hold(content: bytes) -> None:
    assert check(content, MANIFEST, [ACME]).status is Signed.INVALID


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_no_changed_byte_makes_other_files_hold(position: int, flip: int) -> None:
    """A flipped byte may be in white space or the hint; it never makes other files pass."""
    content = bytearray(CONTENT)
    content[position] ^= flip
    other = Manifest((Artifact("config.json", 2, "0" * 64),))
    assert check(bytes(content), other, [ACME]).status is not Signed.VERIFIED


def test_only_keys_on_the_formats_curves_can_be_trusted() -> None:
    pem = ed25519.Ed25519PrivateKey.generate().public_key()
    with pytest.raises(ValueError, match="curves"):
        signer("x", pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ValueError, match="PEM"):
        signer("x", b"-----BEGIN NONSENSE")
