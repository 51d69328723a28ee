"""How long a whole answer takes while 200 clients dawdle, beside how long it takes without them."""

import json
import tempfile
import time
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path

from bench.child import Child
from bench.models import bench_model
from bench.servers import Running, bring_in, product, quiet_home
from bench.statistics import median, percentile
from bench.table import Row, no_more_than, orientation
from bench.whole_answers import MAX_TOKENS, asked

NAME = "bench/model"
SLOW = 200
RATIO = 1.5
PATIENCE_S = 300
"""Those that read slowly asked for answers, which are made before anything is measured."""


def run(quick: bool) -> list[Row]:
    rounds, each = (2, 40) if quick else (8, 100)
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = bench_model(Path(scratch) / "model")
        home = quiet_home(Path(scratch) / "home")
        with product(home) as server, Child("bench.slow_crowd") as crowd:
            bring_in(server, home, model, NAME)
            _asked(server, 20)
            for _ in range(rounds):
                alone.append(_asked(server, each))
                crowd.ask(do="come", port=server.port, model=NAME, count=SLOW)
                _idle(server, home)
                beside.append(_asked(server, each))
                crowd.ask(do="go")
                _idle(server, home)
    note = f"median of {rounds} rounds of {each} answers of {MAX_TOKENS} tokens each way, {what}"
    return [
        no_more_than(
            f"p99 of a whole chat answer beside {SLOW} slow clients",
            _usual_p99(beside),
            _usual_p99(alone),
            "ms",
            ratio=RATIO,
            note=note,
        ),
        orientation("its median", median([*chain(*beside)]), median([*chain(*alone)]), "ms"),
    ]


def _usual_p99(rounds: list[list[float]]) -> float:
    """The median of the rounds' own: what else the machine does in one of them does not decide."""
    return median([percentile(each, 99) for each in rounds])


def _idle(server: Running, home: Path) -> None:
    """Return once nobody waits for an answer any more."""
    key = (home / "operator.key").read_text("utf-8").split()[-1]
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        time.sleep(1)
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/authority/status", headers={"Authorization": f"Bearer {key}"})
        models = json.loads(connection.getresponse().read())["models"]
        connection.close()
        if not any(model["active"] or model["queued"] for model in models):
            return
    raise ValueError("the slow clients' answers were not made in time")


def _asked(server: Running, count: int) -> list[float]:
    took, refused = asked(server, NAME, count)
    if refused:
        raise ValueError(f"{refused} answers beside slow clients were refused")
    return took
