"""The product beside `mlx_lm.server` on the same weights, at 1, 2, 4 and 8 streams at once."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.child import Child
from bench.models import bench_model, prompts
from bench.processor import spent_by
from bench.rounds import interleaved, paired_ratio
from bench.servers import Running, bring_in, mlx_lm_server, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least, no_more_than, orientation

STREAMS = (1, 2, 4, 8)
MAX_TOKENS = 128
MODEL = "bench/streams"


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one server."""

    tokens_per_s: float
    first_ms: float
    processor_ms: float
    """Processor time per token, of the server and its children."""


def run(quick: bool) -> list[Row]:
    rounds, max_tokens = (3, 48) if quick else (9, MAX_TOKENS)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = bench_model(Path(scratch) / "model")
        home = quiet_home(Path(scratch) / "home")
        with (
            product(home) as ours,
            mlx_lm_server(model) as theirs,
            Child("bench.client") as client,
        ):
            bring_in(ours, home, model, MODEL)
            rows: list[Row] = []
            asked = 0
            for count in STREAMS:
                batches = [prompts(count, first=asked + n * count) for n in range(rounds + 2)]
                asked += count * len(batches)
                ask = partial(_ask, client, max_tokens)
                sides = {
                    "ours": partial(ask, ours, MODEL),
                    "theirs": partial(ask, theirs, "default_model"),
                }
                measured = interleaved(sides, prompts=batches, warm_ups=2)
                rows += _rows(count, measured["ours"], measured["theirs"], what)
    return rows


def _ask(client: Child, max_tokens: int, server: Running, model: str, batch: list[str]) -> Measured:
    spent = spent_by(server.process.pid)
    before = spent()
    answer = client.ask(port=server.port, model=model, prompts=batch, max_tokens=max_tokens)
    processor_s = spent() - before
    answers = answer["answers"]
    for one in answers:
        if one.get("tokens") != max_tokens:
            raise ValueError(f"{max_tokens} tokens were asked for: {one}")
    tokens = max_tokens * len(answers)
    return Measured(
        tokens_per_s=tokens / answer["wall_s"],
        first_ms=median([one["first_s"] * 1000 for one in answers]),
        processor_ms=processor_s * 1000 / tokens,
    )


def _rows(count: int, ours: list[Measured], theirs: list[Measured], what: str) -> list[Row]:
    our_rates, their_rates = ([m.tokens_per_s for m in side] for side in (ours, theirs))
    our_firsts, their_firsts = ([m.first_ms for m in side] for side in (ours, theirs))
    our_cost, their_cost = (median([m.processor_ms for m in side]) for side in (ours, theirs))
    plural = "stream" if count == 1 else "streams"
    return [
        at_least(
            f"output, {count} {plural} / mlx_lm.server",
            median(our_rates),
            median(their_rates),
            "tok/s",
            ratio=1.0,
            measured=paired_ratio(our_rates, their_rates),
            note=f"{what}; {spread(our_rates)}",
        ),
        no_more_than(
            f"time to first token, {count} {plural} / mlx_lm.server",
            median(our_firsts),
            median(their_firsts),
            "ms",
            measured=paired_ratio(our_firsts, their_firsts),
            note=f"median of all streams; {spread(our_firsts)}",
        ),
        orientation(
            f"processor time per token, {count} {plural} / mlx_lm.server",
            our_cost,
            their_cost,
            "ms",
        ),
    ]
