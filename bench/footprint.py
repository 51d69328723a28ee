"""What the server costs before anyone asks: memory at rest, and the time a second start takes."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.servers import Running, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, below, missed

MEMORY_LIMIT_MB = 120
START_LIMIT_S = 5
SETTLE_S = 2.0


def run(quick: bool) -> list[Row]:
    return [*memory_rows(), start_row(starts=2 if quick else 5)]


def memory_rows() -> list[Row]:
    """Resident memory of the API process after its start, and whether MLX is in it."""
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        home = quiet_home(Path(scratch) / "home")
        with product(home):
            pass
        with product(home) as server:
            time.sleep(SETTLE_S)  # the warm-up of the start is over: this is "at rest", measured
            resident = psutil.Process(server.process.pid).memory_info().rss
            loaded = mlx_files(server)
    what = "resident memory of the API process, idle"
    note = f"resident set size {SETTLE_S:g} s after a second start, no model loaded"
    memory = below(what, resident / 1e6, "MB", limit=MEMORY_LIMIT_MB, note=note)
    what, target = "MLX files mapped into the API process", "= 0"
    if loaded is None:
        note = "this system does not list a process's mapped files"
        return [memory, missed(what, "files", target=target, note=note)]
    note = ", ".join(sorted(loaded)[:3])
    return [memory, Row(what, len(loaded), None, "files", None, target, not loaded, note)]


def mlx_files(server: Running) -> set[str] | None:
    """Names of MLX's shared libraries in the process; None where that cannot be read."""
    pid = server.process.pid
    maps = Path(f"/proc/{pid}/maps")
    if maps.exists():
        text = maps.read_text()
    elif sys.platform == "darwin":
        vmmap = ["/usr/bin/vmmap", "-w", str(pid)]
        text = subprocess.run(vmmap, capture_output=True, text=True, check=False).stdout
    else:
        return None
    paths = {line.rsplit(None, 1)[-1] for line in text.splitlines() if os.sep in line}
    return {Path(path).name for path in paths if "/mlx" in path or "libmlx" in path}


def start_row(*, starts: int) -> Row:
    """From the start of the process to `/readyz` 200, on a state directory that exists."""
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        home = Path(scratch) / "home"
        with product(home) as first:
            first_s = first.ready_s
        seconds = []
        for _ in range(starts):
            with product(home) as again:
                seconds.append(again.ready_s)
    note = f"default settings; {spread(seconds)}; first start on this state {first_s:.2f} s"
    what = "second start of `lmx serve` until /readyz answers"
    return below(what, median(seconds), "s", limit=START_LIMIT_S, note=note)
