"""Whatever stops an import, it says why and the store is as it was."""

import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.authority.catalog import Catalog, ImportProgress, intake
from app.authority.catalog.hashing import BUFFER_BYTES, Step
from app.authority.catalog.intake import RESERVE_BYTES
from app.authority.ledger import Ledger
from app.domain.refusals import AuditUnavailable, DiskFull, IntakeRefused, LoadCancelled
from tests.model_files import claims_500_gb, entry, good_model, safetensors
from tests.unit.catalog.conftest import Import, files_in

MIB = 1 << 20


def heavy_model(directory: Path, *, mib: int) -> Path:
    """A good model with that many mebibytes of weights."""
    good_model(directory)
    size = mib * MIB
    header = {"model.norm.weight": entry(0, size, dtype="BF16", shape=[size // 2])}
    (directory / "model.safetensors").write_bytes(safetensors(header, bytes(size)))
    return directory


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`, as on a disk that has no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_written(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog._store.__class__, "bytes_free", lambda _: RESERVE_BYTES + 10)
    with pytest.raises(DiskFull) as refused:
        take(good_model(tmp_path / "m"), "a/b")
    assert refused.value.details["free_bytes"] == RESERVE_BYTES + 10
    assert refused.value.details["needed_bytes"] > RESERVE_BYTES + 10
    assert files_in(store) == []


def test_a_disk_that_fills_up_half_way_leaves_nothing(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    directory = heavy_model(tmp_path / "m", mib=9)
    with files_limited_to(6 * MIB), pytest.raises(DiskFull, match="Nothing was kept"):
        take(directory, "a/b")
    assert files_in(store) == []
    assert not any((store / "incoming").iterdir())
    assert catalog.list() == []
    assert take(directory, "a/b").size_bytes > 9 * MIB


def test_a_full_file_system_is_the_same_refusal(
    take: Import, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: int, target: int, step: Step) -> tuple[str, int]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(intake, "copy_hashed", full)
    with pytest.raises(DiskFull):
        take(good_model(tmp_path / "m"), "a/b")
    assert files_in(store) == []


def test_another_disk_error_is_not_called_a_full_disk(
    take: Import, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: int, target: int, step: Step) -> tuple[str, int]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(intake, "copy_hashed", broken)
    with pytest.raises(IntakeRefused, match="Input/output"):
        take(good_model(tmp_path / "m"), "a/b")
    assert files_in(store) == []


def test_an_import_that_cannot_be_recorded_is_taken_back(
    take: Import, catalog: Catalog, ledger: Ledger, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    before = files_in(store)
    ledger._sealing._file = None  # what the ledger sees when its file was replaced
    with pytest.raises(AuditUnavailable):
        take(good_model(tmp_path / "other", seed=1), "a/c")
    assert files_in(store) == before
    assert catalog.ids() == {"a/b"}


def test_an_import_cancelled_half_way_leaves_nothing(
    take: Import, store: Path, tmp_path: Path
) -> None:
    directory = heavy_model(tmp_path / "m", mib=3 * (BUFFER_BYTES // MIB))
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(LoadCancelled):
        take(directory, "a/b", cancelled=cancelled)
    assert files_in(store) == []


def test_a_file_that_changes_while_it_is_read_is_refused(
    take: Import, store: Path, tmp_path: Path
) -> None:
    directory = heavy_model(tmp_path / "m", mib=3 * (BUFFER_BYTES // MIB))
    grown = False

    def grow() -> bool:
        nonlocal grown
        if not grown:
            grown = True
            with (directory / "model.safetensors").open("ab") as file:
                file.write(b"more")
        return False

    with pytest.raises(IntakeRefused, match="changed while it was read"):
        take(directory, "a/b", cancelled=grow)
    assert files_in(store) == []


def test_a_file_swapped_for_a_link_after_the_walk_is_not_followed(
    take: Import, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = good_model(tmp_path / "m")
    copy_all = intake.copy_all

    def swapped(*arguments: object) -> object:
        (directory / "tokenizer.json").unlink()
        (directory / "tokenizer.json").symlink_to("/etc/passwd")
        return copy_all(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("app.authority.catalog.store.copy_all", swapped)
    with pytest.raises(IntakeRefused, match=r"tokenizer\.json"):
        take(directory, "a/b")
    assert files_in(store) == []


def test_an_import_that_waits_for_another_can_be_cancelled(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    with catalog._changing, pytest.raises(LoadCancelled):
        take(directory, "a/b", cancelled=lambda: True)


def test_imports_at_once_of_the_same_bytes_are_one_model(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(take(directory, "a/b").digest))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert catalog.ids() == {"a/b"}


def test_progress_that_raises_ends_the_import_cleanly(
    take: Import, store: Path, tmp_path: Path
) -> None:
    def gone(_: ImportProgress) -> None:
        raise RuntimeError("nobody listens any more")

    with pytest.raises(RuntimeError, match="nobody listens"):
        take(good_model(tmp_path / "m"), "a/b", gone)
    assert files_in(store) == []


REFUSE_500_GB = """
import sys, time
from pathlib import Path
from app.authority.catalog import inspect_directory
from app.authority.feasibility import budget, decide, need
from app.domain.memory import MemoryReading

started = time.process_time()  # on a busy machine the clock goes on while this process waits
shape = inspect_directory(Path(sys.argv[1]))
asked = need(shape, context=2048, slots=1, worker_base_bytes=0)
reading = MemoryReading(taken_at=0.0, total_bytes=1 << 37, available_bytes=1 << 37)
verdict = decide(asked, budget(reading, promised_untaken_bytes=0, now=0.0))
print(type(verdict).__name__, asked.weights_bytes, (time.process_time() - started) * 1000)
"""


def test_a_directory_that_claims_500_gb_is_refused_in_milliseconds(tmp_path: Path) -> None:
    directory = claims_500_gb(tmp_path / "m")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = [sys.executable, "-c", REFUSE_500_GB, str(directory)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    verdict, weights, took_ms = done.stdout.split()
    assert (verdict, int(weights)) == ("DoesNotFit", 500 * 10**9)
    assert float(took_ms) < 1000  # some milliseconds; to read them takes minutes


def test_an_import_of_500_gb_stops_before_it_reads_them(
    take: Import, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(DiskFull):
        take(claims_500_gb(tmp_path / "m"), "a/b")
    assert files_in(store) == []
