"""Intake's hashing beside `sha256sum` on the same files, round by round.

A file of ours is hashed as intake and verification do. `sha256sum` gets all files in one call. The
files are in the page cache for both: what is compared is hashing, not the disk.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from app.authority.catalog import Catalog
from app.authority.catalog.hashing import FILES_AT_ONCE, copy_hashed, hash_file
from app.authority.catalog.known import known_models
from app.authority.permissions import Permission, grant
from app.database import open_engine
from bench.statistics import median
from bench.table import Row, at_least, missed, orientation
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger
from tests.fakes.lifecycle import OPERATOR
from tests.model_files import entry, good_model, safetensors

FILE_BYTES = 512 << 20
QUICK_BYTES = 128 << 20
SEVERAL = 4


def run(quick: bool) -> list[Row]:
    command = shutil.which("sha256sum")
    if command is None:
        note = "this system has no sha256sum"
        return [missed("hashing at intake", "GB/s", target=">= 0.90", note=note)]
    size, rounds = (QUICK_BYTES, 3) if quick else (FILE_BYTES, 7)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        files = [random_file(Path(scratch) / f"{n}.bin", size) for n in range(SEVERAL)]
        target = Path(scratch) / "copy"
        sides: dict[str, Callable[[], None]] = {
            "ours, one": lambda: hash_all(files[:1]),
            "theirs, one": lambda: sha256sum(command, files[:1]),
            "ours, several": lambda: hash_all(files),
            "theirs, several": lambda: sha256sum(command, files),
            "copied": lambda: copy(files[0], target),
        }
        with installed(Path(scratch) / "home", size) as (verify, paths):
            sides["ours, installed"] = verify
            sides["theirs, installed"] = lambda: sha256sum(command, paths)
            took = interleaved(sides, rounds=rounds)
    return rows(took, size)


@contextmanager
def installed(home: Path, size: int) -> Iterator[tuple[Callable[[], None], list[Path]]]:
    """A model with one large file in a real catalog: what verifies all of it, and its files."""
    home.mkdir()
    engine = open_engine(fresh_database(home))
    ledger = new_ledger(engine)
    catalog = Catalog(
        ledger, engine, clock=FixedClock(), store_dir=home / "store", known=known_models([])
    )
    source = good_model(home / "source")
    header = {"model.norm.weight": entry(0, size, dtype="BF16", shape=[size // 2])}
    head = safetensors(header)
    with (source / "model.safetensors").open("wb") as file:
        file.write(head)
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    catalog.import_directory(may, source, "bench/large", lambda _: None, lambda: False)
    model = catalog.get("bench/large")
    paths = [path for path in catalog.verify(model.id).iterdir() if path.is_file()]

    def verify() -> None:
        catalog.verify(model.id, full=True, actor=OPERATOR)

    try:
        yield verify, paths
    finally:
        ledger.close()
        engine.dispose()


def rows(took: dict[str, list[float]], size: int) -> list[Row]:
    """Speeds from medians; ratios round by round, so that noise hits both sides of each."""

    def speed(side: str, files: int) -> float:
        return size * files / median(took[side]) / 1e9

    def ratio(files: str) -> float:
        pairs = zip(took[f"theirs, {files}"], took[f"ours, {files}"], strict=True)
        return median([theirs / ours for theirs, ours in pairs])

    one, several = speed("theirs, one", 1), speed("theirs, several", SEVERAL)
    note = f"{size >> 20} MiB, in the page cache"
    return [
        at_least("hashing one file, beside sha256sum", speed("ours, one", 1), one, "GB/s",
                 ratio=0.9, measured=ratio("one"), note=note),
        at_least(f"hashing {SEVERAL} files, beside sha256sum", speed("ours, several", SEVERAL),
                 several, "GB/s", ratio=1.0, measured=ratio("several"),
                 note=f"{note}; {FILES_AT_ONCE} at once on {os.cpu_count()} cores"),
        at_least("verifying an installed model, beside sha256sum", speed("ours, installed", 1),
                 speed("theirs, installed", 1), "GB/s", ratio=0.9, measured=ratio("installed"),
                 note=f"{note}; with what is recorded of it"),
        orientation("copying, hashing and syncing one file", speed("copied", 1), one, "GB/s",
                    note="what an import does with each file"),
    ]  # fmt: skip


def interleaved(sides: dict[str, Callable[[], None]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in each round, after one round that warms up."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, act in sides.items():
            started = time.perf_counter()
            act()
            if number:
                took[name].append(time.perf_counter() - started)
    return took


def hash_all(files: Sequence[Path]) -> None:
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        list(pool.map(hash_one, files))


def hash_one(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return hash_file(descriptor, lambda _: None)[0]
    finally:
        os.close(descriptor)


def copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with source.open("rb") as taken, target.open("wb") as written:
        copy_hashed(taken.fileno(), written.fileno(), lambda _: None)


def sha256sum(command: str, files: Sequence[Path]) -> None:
    subprocess.run([command, *map(str, files)], check=True, stdout=subprocess.DEVNULL)


def random_file(path: Path, size: int) -> Path:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    return path
