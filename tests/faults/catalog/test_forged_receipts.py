"""A receipt speaks of one file on one machine; whoever writes another into it is found out."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from app.authority.ledger.writing import writing
from app.domain.models import CatalogModel, Trust
from app.domain.refusals import DigestMismatch
from tests.fakes.clock import FixedClock
from tests.fakes.removal import Attic, new_attic, start

WEIGHTS = "model.safetensors"
_FORGE = text(
    "UPDATE receipt SET dev = :dev, ino = :ino, size = :size, mtime_ns = :mtime, ctime_ns = :ctime,"
    " verified_us = :ctime / 1000 + 60000000 WHERE sha256 = :sha256"
)


@pytest.fixture
def attic(tmp_path: Path) -> Attic:
    return new_attic(tmp_path / "home")


@pytest.fixture
def model(attic: Attic) -> CatalogModel:
    return attic.take("a/b")


def edit(attic: Attic, model: CatalogModel) -> Path:
    """Other bytes of the same size, with the time put back."""
    path = attic.view(model) / WEIGHTS
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def test_a_receipt_of_another_machine_proves_nothing_here(
    attic: Attic, model: CatalogModel, tmp_path: Path
) -> None:
    attic.catalog.verify("a/b")
    attic.close()
    edit(attic, model)
    subprocess.run(["cp", "-a", str(attic.home), str(tmp_path / "copy")], check=True)
    copy = start(tmp_path / "copy", FixedClock())
    with pytest.raises(DigestMismatch, match=WEIGHTS):
        copy.catalog.verify("a/b")
    assert copy.catalog.get("a/b").trust is Trust.QUARANTINED
    copy.close()


def test_a_receipt_forged_for_edited_bytes_is_found_by_whoever_reads_all_of_them(
    attic: Attic, model: CatalogModel
) -> None:
    attic.catalog.verify("a/b")
    path = edit(attic, model)
    status = path.stat()
    row = {
        "dev": status.st_dev,
        "ino": status.st_ino,
        "size": status.st_size,
        "mtime": status.st_mtime_ns,
        "ctime": status.st_ctime_ns,
        "sha256": attic.blob(model, WEIGHTS).name,
    }
    with writing(attic.engine) as connection:
        connection.execute(_FORGE, row)
    attic.close()
    again = start(attic.home, FixedClock())
    with pytest.raises(DigestMismatch, match=WEIGHTS):
        again.catalog.verify("a/b", full=True)
    assert not again.catalog.get("a/b").trust.loadable
    again.close()
