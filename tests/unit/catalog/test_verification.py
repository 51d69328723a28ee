"""Edited bytes are found before a load; files at rest are not read again."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog import Catalog, KnownModels, verification
from app.authority.catalog.verification import check_files
from app.authority.ledger import Kind, Ledger
from app.domain.models import CatalogModel, Trust
from app.domain.refusals import DigestMismatch, ModelNotFound, NotLoadable
from tests.fakes.clock import FixedClock
from tests.model_files import good_model
from tests.unit.catalog.conftest import Import

Damage = Callable[[Path], None]


@pytest.fixture
def model(take: Import, tmp_path: Path) -> CatalogModel:
    return take(good_model(tmp_path / "m"), "a/b")


@pytest.fixture
def view(model: CatalogModel, store: Path) -> Path:
    """The view, opened up as its owner could."""
    directory = store / "models" / model.digest
    directory.chmod(0o700)
    return directory


def edit(view: Path) -> None:
    path = view / "model.safetensors"
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")


def replace_by_link(view: Path) -> None:
    (view / "config.json").unlink()
    (view / "config.json").symlink_to("/etc/hostname")


FAULTS: dict[str, tuple[Damage, str]] = {
    "edited": (edit, "model.safetensors"),
    "missing": (lambda view: (view / "tokenizer.json").unlink(), "tokenizer.json"),
    "added": (lambda view: (view / "modeling.py").write_text("import os"), "modeling.py"),
    "shortened": (
        lambda view: ((view / "config.json").chmod(0o600), (view / "config.json").write_text("{}")),
        "config.json",
    ),
    "replaced by a link": (replace_by_link, "config.json"),
}  # type: ignore[dict-item]


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_files_are_refused_recorded_and_put_the_model_in_quarantine(
    catalog: Catalog, ledger: Ledger, view: Path, fault: str
) -> None:
    damage, name = FAULTS[fault]
    damage(view)
    with pytest.raises(DigestMismatch) as refused:
        catalog.verify("a/b")
    assert name in refused.value.message
    assert catalog.get("a/b").trust is Trust.QUARANTINED
    assert ledger.events(kind=Kind.MODEL_VERIFIED)[-1].outcome == "digest_mismatch"
    with pytest.raises(NotLoadable):
        catalog.verify("a/b")


def test_a_same_size_edit_with_its_time_put_back_is_found(catalog: Catalog, view: Path) -> None:
    import os

    catalog.verify("a/b")
    catalog.verify("a/b")
    path = view / "model.safetensors"
    status = path.stat()
    edit(view)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DigestMismatch):
        catalog.verify("a/b")


def test_a_view_that_is_gone_is_refused(catalog: Catalog, view: Path) -> None:
    view.rename(view.with_name("elsewhere"))
    with pytest.raises(DigestMismatch):
        catalog.verify("a/b")


def test_quarantine_survives_a_restart(
    catalog: Catalog, ledger: Ledger, engine: Engine, store: Path, view: Path
) -> None:
    edit(view)
    with pytest.raises(DigestMismatch):
        catalog.verify("a/b")
    again = Catalog(ledger, engine, clock=FixedClock(), store_dir=store, known=KnownModels(()))
    with pytest.raises(NotLoadable):
        again.verify("a/b")


def test_importing_the_right_bytes_again_ends_the_quarantine(
    catalog: Catalog, take: Import, view: Path, tmp_path: Path
) -> None:
    edit(view)
    with pytest.raises(DigestMismatch):
        catalog.verify("a/b")
    take(good_model(tmp_path / "m"), "a/b")
    assert catalog.get("a/b").trust is Trust.PINNED
    assert catalog.verify("a/b", full=True)


def test_the_first_load_hashes_and_records_and_the_next_reads_nothing(
    catalog: Catalog, ledger: Ledger, model: CatalogModel
) -> None:
    catalog.verify("a/b")
    assert len(ledger.events(kind=Kind.MODEL_VERIFIED)) == 1
    manifest = catalog.manifest("a/b")
    view = catalog.verify("a/b")
    assert len(ledger.events(kind=Kind.MODEL_VERIFIED)) == 1
    checked = check_files(view, manifest, catalog._verifying.receipts, now_us=lambda: 0)
    assert checked.hashed_bytes == 0


def test_receipts_survive_a_restart(
    catalog: Catalog, ledger: Ledger, engine: Engine, store: Path, model: CatalogModel
) -> None:
    catalog.verify("a/b")
    again = Catalog(ledger, engine, clock=FixedClock(), store_dir=store, known=KnownModels(()))
    again.verify("a/b")
    assert len(ledger.events(kind=Kind.MODEL_VERIFIED)) == 1


def test_a_receipt_taken_right_after_a_change_is_not_believed(
    catalog: Catalog, model: CatalogModel
) -> None:
    view, manifest = catalog.verify("a/b"), catalog.manifest("a/b")
    changed_us = max(p.stat().st_ctime_ns for p in view.iterdir()) // 1000
    racy = check_files(view, manifest, {}, now_us=lambda: changed_us + 1).receipts
    receipts = {receipt.sha256: receipt for receipt in racy}
    checked = check_files(view, manifest, receipts, now_us=lambda: changed_us + 1)
    assert checked.hashed_bytes == model.size_bytes


def test_a_full_verification_hashes_whatever_the_receipts_say(
    catalog: Catalog, ledger: Ledger, model: CatalogModel
) -> None:
    catalog.verify("a/b")
    catalog.verify("a/b", full=True)
    event = ledger.events(kind=Kind.MODEL_VERIFIED)[-1]
    assert event.data["hashed_bytes"] == model.size_bytes


def test_a_model_at_rest_is_checked_in_under_a_millisecond(
    catalog: Catalog, model: CatalogModel
) -> None:
    catalog.verify("a/b")
    took = []
    for _ in range(50):
        started = time.perf_counter()
        catalog.verify("a/b")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.001


def test_a_disk_that_fails_is_refused_without_quarantine(
    catalog: Catalog, model: CatalogModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, step: object) -> tuple[str, int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(verification, "hash_file", broken)
    with pytest.raises(NotLoadable, match="Input/output"):
        catalog.verify("a/b")
    assert catalog.get("a/b").trust is Trust.PINNED


def test_a_model_nobody_imported_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound):
        catalog.verify("a/none")
