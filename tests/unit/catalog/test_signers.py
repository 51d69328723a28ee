"""Whose keys are trusted: those in a directory that nobody else can change, and no other."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.authority.catalog.signers import MAX_KEY_BYTES, trusted_signers
from tests.fakes.signed_models import Publisher

ACME = Publisher()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "signers"
    directory.mkdir(mode=0o700)
    put(directory / "acme.pub", ACME.pem)
    (directory / "notes.txt").write_text("not a key")
    return directory


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def trusted(directory: Path) -> tuple[list[str], list[str]]:
    """Names of the trusted signers, and why others are not, from the log."""
    with capture_logs() as logs:
        found = [signer.name for signer in trusted_signers(directory)]
    return found, [line["why"] for line in logs]


def test_the_trusted_signers_are_the_keys_in_a_directory(keys: Path) -> None:
    assert trusted(keys) == (["acme"], [])
    assert trusted(keys.with_name("none")) == ([], [])


def test_a_broken_key_is_named_and_costs_the_others_nothing(keys: Path) -> None:
    put(keys / "broken.pub", b"not a key")
    put(keys / "long.pub", b"x" * (MAX_KEY_BYTES + 1))
    (keys / "folder.pub").mkdir()
    os.mkfifo(keys / "pipe.pub")
    found, why = trusted(keys)
    assert found == ["acme"]
    assert len(why) == 4
    assert any("PEM" in reason for reason in why)


def test_a_key_that_is_a_link_is_not_trusted(keys: Path, tmp_path: Path) -> None:
    put(tmp_path / "evil.pub", Publisher("evil").pem)
    (keys / "evil.pub").symlink_to(tmp_path / "evil.pub")
    assert trusted(keys) == (["acme"], ["is a link"])


def test_a_directory_that_is_a_link_holds_no_signers(keys: Path) -> None:
    link = keys.with_name("linked")
    link.symlink_to(keys)
    assert trusted(link) == ([], ["is a link"])


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_key_that_others_can_write_is_not_trusted(keys: Path, mode: int) -> None:
    (keys / "acme.pub").chmod(mode)
    found, (why,) = trusted(keys)
    assert found == []
    assert "written by other" in why


def test_a_directory_that_others_can_write_holds_no_signers(keys: Path) -> None:
    keys.chmod(0o777)
    found, (why,) = trusted(keys)
    assert found == []
    assert "written by other" in why


def test_what_belongs_to_another_account_is_not_trusted(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert trusted(keys) == ([], ["belongs to another account"])
