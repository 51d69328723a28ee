"""The endpoint's throughput while an advisor is at work, beside its throughput without.

Everything that advice costs is in it: a server of its own for each round has no snapshot yet, so
that the first run makes one of a month of use, hands it to the advisor's process, and takes what
that proposes; then the advisor runs again and again.
"""

import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from bench.child import Child
from bench.models import bench_model, prompts
from bench.rounds import paired_ratio
from bench.servers import Running, bring_in, load, product, quiet_home
from bench.statistics import median
from bench.table import Row, at_least

MODEL: Final = "bench/advised"
STREAMS: Final = 4
MAX_TOKENS: Final = 160
KEPT: Final = 0.7
NAMES: Final = 200
HOURS: Final = 30 * 24
ADVISOR: Final = "residency"

_ROWS: Final = """
WITH RECURSIVE hours (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM hours WHERE n + 1 < :hours),
               names (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM names WHERE k + 1 < :names)
INSERT INTO hour_use
SELECT :first + n, :model, 'name-' || k, 3 + (n * k) % 40, 0, n % 24 = 9, 900 + n * k % 5000,
       300 + n % 700, 700 + k, (:first + n) * 3600000000,
       '{"' || (36 + k % 5) || '": 2, "41": ' || (1 + n % 9) || ', "44": 3, "48": 1}',
       '{"48": 3, "51": ' || (1 + n % 7) || ', "53": 2}', '{"10": 3}',
       861 + n % 300, 1200 + k, 3444 + n, n % 3
FROM hours, names
"""
"""Every hour of a month for each of the names: as many rows as 200 models have."""


@dataclass(frozen=True, slots=True)
class _Home:
    """A server's, with a model and a month of use. `runs`: of the advisor, what each answered."""

    path: Path
    runs: list[dict[str, Any]] = field(default_factory=list)


def meanwhile_row(*, rounds: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = bench_model(Path(scratch) / "model")
        home = _Home(quiet_home(Path(scratch) / "home"))
        with product(home.path) as server:
            bring_in(server, home.path, model, MODEL)
        _fill(home.path)
        with Child("bench.client") as client:
            found = [_round(home, client, number) for number in range(rounds)]
    ours, theirs = zip(*found, strict=True)
    taken = sum(run["kept"] for run in home.runs)
    if not taken:
        raise ValueError(f"nothing that {ADVISOR} proposed was taken")
    return at_least(
        "throughput with an advisor at work / without",
        median(ours),
        median(theirs),
        "tokens/s",
        ratio=KEPT,
        measured=paired_ratio(ours, theirs),
        note=(
            f"{what}; {STREAMS} streams, {HOURS * NAMES:,} rows of use; each round begins with a "
            f"new snapshot; {ADVISOR} ran {len(home.runs)} times, {taken} proposals taken"
        ),
    )


def _round(home: _Home, client: Child, number: int) -> tuple[float, float]:
    """Tokens a second with and without, on one server; every other round without goes first."""
    first, asked = (
        prompts(STREAMS, first=9000 + (2 * number + part) * STREAMS) for part in range(2)
    )
    with product(home.path) as server:
        load(server, home.path, MODEL)

        def alone(asked: list[str] = asked) -> float:
            answer = client.ask(port=server.port, model=MODEL, prompts=asked, max_tokens=MAX_TOKENS)
            return MAX_TOKENS * len(asked) / float(answer["wall_s"])

        alone(first)  # what a server does once
        without = alone() if number % 2 else None
        with _advising(server, home):
            advised = alone()
        return advised, alone() if without is None else without


def _fill(home: Path) -> None:
    first = int(time.time()) // 3600 - HOURS + 1
    with closing(sqlite3.connect(home / "lmx.db")) as database, database:
        database.execute(_ROWS, {"hours": HOURS, "names": NAMES, "first": first, "model": MODEL})


@contextmanager
def _advising(server: Running, home: _Home) -> Iterator[None]:
    """The advisor is at work all the time in here, and has begun."""
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        while not over.is_set():
            begun.set()
            home.runs.append(_advise(server, home.path))

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _advise(server: Running, home: Path) -> dict[str, Any]:
    """One run, as the server tells it."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    key = (home / "operator.key").read_text().split()[-1]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", f"/authority/advisors/{ADVISOR}/run", "{}", headers)
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    if answer.get("ended") != "":
        raise ValueError(f"the advisor ended badly: {answer}")
    return answer
