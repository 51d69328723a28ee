"""The signing key is private to its file, and its file to its owner."""

import copy
import os
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.authority.ledger.signing.keys import SigningKey, read_keys, write_keys
from app.domain.refusals import StartRefused

ORIGIN = "lmx-authority/3f0c"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate(ORIGIN)


@pytest.fixture
def path(tmp_path: Path, key: SigningKey) -> Path:
    path = tmp_path / "signing.key"
    key.write(path)
    return path


def test_a_key_is_read_back_from_its_private_file(key: SigningKey, path: Path) -> None:
    read = SigningKey.read(path, ORIGIN)
    assert read.vkey == key.vkey
    assert read.sign(b"message") == key.sign(b"message")
    assert read.tag(3, bytes(32)) == key.tag(3, bytes(32))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["signing.key"]


def test_the_private_key_shows_nowhere(key: SigningKey, path: Path) -> None:
    private = load_pem_private_key(path.read_bytes(), None)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    assert repr(key) == str(key) == f"SigningKey({key.vkey})"
    assert seed.hex() not in repr(key)
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied"):
            leak(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_others_may_open_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(StartRefused, match=r"chmod 600 .*rotate a key"):
        SigningKey.read(path, ORIGIN)


def test_a_symbolic_link_is_refused(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(StartRefused, match="a symbolic link"):
        SigningKey.read(path, ORIGIN)


def test_a_hard_link_is_refused(path: Path) -> None:
    path.with_name("second").hardlink_to(path)
    with pytest.raises(StartRefused, match="a second name"):
        SigningKey.read(path, ORIGIN)


def test_a_key_of_another_account_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(StartRefused, match="another account"):
        SigningKey.read(path, ORIGIN)


def test_a_damaged_key_is_refused_without_being_quoted(path: Path) -> None:
    whole = path.read_text()
    path.write_text(whole.replace("M", "!", 1))
    with pytest.raises(StartRefused, match="not hold a private key in PEM") as refused:
        SigningKey.read(path, ORIGIN)
    assert whole.splitlines()[1][8:] not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_key_of_another_kind_is_refused(path: Path) -> None:
    other = generate_private_key(SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(StartRefused, match="not Ed25519"):
        SigningKey.read(path, ORIGIN)


def test_a_write_that_was_interrupted_before_does_not_stop_the_next(
    tmp_path: Path, key: SigningKey
) -> None:
    path = tmp_path / "signing.key"
    path.with_name("signing.key.new").write_text("half")
    key.write(path)
    assert SigningKey.read(path, ORIGIN).vkey == key.vkey


def test_the_public_keys_are_one_a_line_oldest_first(tmp_path: Path, key: SigningKey) -> None:
    path, newer = tmp_path / "keys", SigningKey.generate(ORIGIN)
    write_keys(path, (key.vkey, newer.vkey))
    assert path.read_text() == f"{key.vkey}\n{newer.vkey}\n"
    assert read_keys(path, ORIGIN) == (key.vkey, newer.vkey)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not a key\n", "not a verifier key"),
        (b"\xff\xfe\n", "not text"),
        (f"{SigningKey.generate('another/log').vkey}\n".encode(), "another log"),
    ],
    ids=["no key", "no text", "another log"],
)
def test_a_file_that_does_not_hold_this_logs_keys_is_refused(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StartRefused, match=why):
        read_keys(path, ORIGIN)


def test_the_public_keys_may_be_read_by_others_and_not_written(
    tmp_path: Path, key: SigningKey
) -> None:
    path = tmp_path / "keys"
    write_keys(path, (key.vkey,))
    path.chmod(0o644)
    assert read_keys(path, ORIGIN) == (key.vkey,)
    path.chmod(0o664)
    with pytest.raises(StartRefused, match="chmod 600"):
        read_keys(path, ORIGIN)
