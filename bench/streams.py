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
MAX_TOKENS = 96
FIRST_TOKENS = 8
"""Answers are this short where only their first token is timed, so that there can be more."""
MODEL = "bench/streams"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one round asks, all of it at once."""

    prompts: list[str]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one server."""

    tokens_per_s: float
    first_ms: float
    processor_ms: float
    """Processor time per token, of the server and its children."""


def run(quick: bool) -> list[Row]:
    rounds, max_tokens = (3, 48) if quick else (7, MAX_TOKENS)
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
                sides = {
                    "ours": partial(_ask, client, ours, MODEL),
                    "theirs": partial(_ask, client, theirs, "default_model"),
                }
                for each_tokens, each_rounds, rows_of in (
                    (max_tokens, rounds, _output_rows),
                    (FIRST_TOKENS, rounds * 2, _first_rows),
                ):
                    batches = [
                        Batch(prompts(count, first=asked + n * count), each_tokens)
                        for n in range(each_rounds + 2)
                    ]
                    asked += count * len(batches)
                    measured = interleaved(sides, prompts=batches, warm_ups=2)
                    rows += rows_of(count, measured["ours"], measured["theirs"], what)
    return rows


def _ask(client: Child, server: Running, model: str, batch: Batch) -> Measured:
    max_tokens = batch.max_tokens
    spent = spent_by(server.process.pid)
    before = spent()
    answer = client.ask(port=server.port, model=model, prompts=batch.prompts, max_tokens=max_tokens)
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


def _output_rows(count: int, ours: list[Measured], theirs: list[Measured], what: str) -> list[Row]:
    our_rates, their_rates = ([m.tokens_per_s for m in side] for side in (ours, theirs))
    our_cost, their_cost = (median([m.processor_ms for m in side]) for side in (ours, theirs))
    return [
        at_least(
            f"output, {_streams(count)} / mlx_lm.server",
            median(our_rates),
            median(their_rates),
            "tok/s",
            ratio=1.0,
            measured=paired_ratio(our_rates, their_rates),
            note=f"{what}; {spread(our_rates)}",
        ),
        orientation(
            f"processor time per token, {_streams(count)} / mlx_lm.server",
            our_cost,
            their_cost,
            "ms",
        ),
    ]


def _first_rows(count: int, ours: list[Measured], theirs: list[Measured], _: str) -> list[Row]:
    our_firsts, their_firsts = ([m.first_ms for m in side] for side in (ours, theirs))
    return [
        no_more_than(
            f"time to first token, {_streams(count)} / mlx_lm.server",
            median(our_firsts),
            median(their_firsts),
            "ms",
            measured=paired_ratio(our_firsts, their_firsts),
            note=f"median of all streams; {spread(our_firsts)}",
        ),
    ]


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
