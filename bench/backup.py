"""How long a whole answer takes while the state is backed up, beside how long without."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.child import ROOT, ChildFailed, environment
from bench.ledger_home import make_home
from bench.models import bench_model
from bench.servers import Running, bring_in, product
from bench.statistics import median, percentile
from bench.table import Row, below, no_more_than, orientation
from bench.whole_answers import MAX_TOKENS, asked

NAME = "bench/model"
RATIO = 1.10
AT_A_TIME = 20


def run(quick: bool) -> list[Row]:
    events, rounds = (20_000, 1) if quick else (1_000_000, 3)
    alone: list[float] = []
    beside: list[float] = []
    took: list[float] = []
    refused = 0
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        home = Path(scratch) / "home"
        made = make_home(home, events=events)
        model, what = bench_model(Path(scratch) / "model")
        with product(home) as server:
            bring_in(server, home, model, NAME)
            asked(server, NAME, 20)
            for _ in range(rounds):
                began, process = time.monotonic(), _backup(server, home)
                count = 0
                while process.poll() is None:
                    times, no = asked(server, NAME, AT_A_TIME)
                    beside += times
                    refused, count = refused + no, count + len(times)
                took.append(time.monotonic() - began)
                if process.returncode:
                    raise ChildFailed(f"the backup failed: {process.communicate()[1]!r}")
                shutil.rmtree(home / "backups")
                while count > 0:
                    times, no = asked(server, NAME, AT_A_TIME)
                    alone += times
                    refused, count = refused + no, count - len(times)
    note = (
        f"{len(beside):,} and {len(alone):,} answers of {MAX_TOKENS} tokens, one after the other, "
        f"{what}; {made.size:,} events"
    )
    return [
        below("answers refused during backups", refused, "", limit=1),
        no_more_than(
            "p99 of a whole chat answer beside a backup",
            percentile(beside, 99),
            percentile(alone, 99),
            "ms",
            ratio=RATIO,
            note=note,
        ),
        orientation("its median", median(beside), median(alone), "ms"),
        orientation(
            "a backup under load", median(took), None, "s", note=f"{made.database_bytes:,} bytes"
        ),
    ]


def _backup(server: Running, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app.cli.main", "backup", "create"]
    more = {"LMX_HOME": str(home), "LMX_URL": f"http://127.0.0.1:{server.port}"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
