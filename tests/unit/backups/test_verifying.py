"""Whatever is wrong with a backup is said, each in a sentence."""

import hashlib
import json
from pathlib import Path

import pytest

from app.backups import Made, verify
from app.backups.contents import CHECKSUM, MANIFEST, checksum_line


def test_one_that_was_not_touched_holds(made: Made) -> None:
    found = verify(made.path)
    assert found.holds
    assert found.digest == hashlib.sha256((made.path / MANIFEST).read_bytes()).hexdigest()
    assert not list(made.path.glob("lmx.db-*"))


def wrong(made: Made) -> str:
    found = verify(made.path)
    assert not found.holds
    return " ".join(found.wrong)


def test_a_changed_byte(made: Made) -> None:
    path = made.path / "lmx.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert wrong(made) == "lmx.db was changed: its SHA-256 is not the manifest's."


def test_a_file_cut_short_a_missing_one_and_one_too_many(made: Made) -> None:
    path = made.path / "lmx.db"
    path.write_bytes(path.read_bytes()[:-4096])
    (made.path / "ledger/signer").unlink()
    (made.path / "lmx.db-wal").write_bytes(b"x")
    said = wrong(made)
    assert "lmx.db has " in said
    assert "ledger/signer is missing." in said
    assert "lmx.db-wal is not part of the backup" in said


def test_a_link_in_a_files_place(made: Made) -> None:
    path = made.path / "config.yaml"
    path.rename(made.path.parent / "elsewhere")
    path.symlink_to(made.path.parent / "elsewhere")
    assert "config.yaml cannot be read" in wrong(made)


def rewritten(made: Made, **fields: object) -> None:
    """As somebody would who wants it to pass: the checksum is made again."""
    said = json.loads((made.path / MANIFEST).read_text()) | fields
    content = json.dumps(said, indent=1, sort_keys=True).encode() + b"\n"
    (made.path / MANIFEST).write_bytes(content)
    (made.path / CHECKSUM).write_bytes(checksum_line(content))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"format": 2}, "a newer release made it"),
        ({"schema": "0099"}, "has the schema 0099; this release knows up to"),
        ({"events": 1}, "not the one that the manifest describes"),
        ({"origin": "lmx-authority/another"}, "signer's memory in it is not the one"),
        ({"root": "00" * 32}, "root is not the one over the database's events"),
        ({"size": 1}, "root is not the one over the database's events"),
        ({"size": "many"}, "a part of it is missing or wrong"),
        ({"files": [{"path": "../x", "size": 1, "sha256": ""}]}, "missing or wrong"),
        ({"files": []}, "without the database it is no backup"),
        ({"more": 1}, "missing or wrong"),
        ({"made_us": 10**30}, "missing or wrong"),
        ({"name": "a\x1b[2J"}, "missing or wrong"),
    ],
)
def test_a_manifest_of_another_time_or_making(
    made: Made, fields: dict[str, object], sentence: str
) -> None:
    rewritten(made, **fields)
    assert sentence in wrong(made)


@pytest.mark.parametrize("name", ["lmx.db-wal", "run/upgrading.json", "ledger/restored.json"])
def test_a_file_that_no_backup_has_though_the_manifest_names_it(made: Made, name: str) -> None:
    """A write-ahead log beside the database would make another one of it than was verified."""
    (made.path / name).parent.mkdir(exist_ok=True)
    (made.path / name).write_bytes(b"x")
    said = json.loads((made.path / MANIFEST).read_text())
    row = {"path": name, "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    rewritten(made, files=[*said["files"], row])
    assert "missing or wrong" in wrong(made)


def test_a_manifest_that_was_changed_alone(made: Made) -> None:
    path = made.path / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"events": ', b'"events": 1'))
    assert "is not the one that manifest.sha256 was made for" in wrong(made)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"{" * 9999])
def test_a_manifest_that_is_none(made: Made, content: bytes) -> None:
    (made.path / MANIFEST).write_bytes(content)
    assert "it is not what a backup's manifest is" in wrong(made)


def test_a_directory_that_is_no_backup(tmp_path: Path) -> None:
    assert "is no backup" in " ".join(verify(tmp_path).wrong)
    assert "is no backup" in " ".join(verify(tmp_path / "nothing").wrong)
