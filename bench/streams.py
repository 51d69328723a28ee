"""The product beside `mlx_lm.server` and the bare generator, same weights, 1 to 16 streams."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.child import Child
from bench.models import bench_model, prompts, random_model
from bench.processor import spent_by, spent_by_one
from bench.rounds import interleaved, paired_ratio
from bench.servers import Running, bring_in, mlx_lm_server, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least, below, no_more_than, orientation

STREAMS = (1, 2, 4, 8, 16)
FASTER: Mapping[int, float] = {1: 1.1, 2: 1.2, 4: 1.05, 8: 1.05, 16: 1.05}
"""Output over `mlx_lm.server`'s, at least."""
OVER_BARE = 0.95
SOONER, FROM_STREAMS = 0.7, 4
"""Time to the first token over `mlx_lm.server`'s, at most, from so many streams on."""
OWN_MICROSECONDS, OWN_STREAMS = 60, 8
"""Processor time of the server's own process for each streamed token, at so many streams."""

MAX_TOKENS = 96
FIRST_TOKENS = 8
"""Answers are this short where only their first token is timed, so that there can be more."""
MODELS: Mapping[str, Callable[[Path], tuple[Path, str]]] = {
    "bench/starter": bench_model,
    "bench/random": random_model,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one round asks, all of it at once."""

    prompts: list[str]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one side."""

    tokens_per_s: float
    first_ms: float = 0.0
    processor_ms: float = 0.0
    """Processor time per token, of the server and its children."""
    own_us: float = 0.0
    """Of the server's own process alone."""


def run(quick: bool) -> list[Row]:
    rows: list[Row] = []
    # The random model takes a quarter of an hour on two cores: a quick look leaves it out.
    for name, make in list(MODELS.items())[: 1 if quick else None]:
        with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
            model, what = make(Path(scratch) / "model")
            home = quiet_home(Path(scratch) / "home")
            with (
                product(home) as ours,
                mlx_lm_server(model) as theirs,
                Child("bench.client") as client,
                Child("bench.bare", str(model)) as bare,
            ):
                bring_in(ours, home, model, name)
                sides = {
                    "ours": partial(_ask, client, ours, name),
                    "theirs": partial(_ask, client, theirs, "default_model"),
                    "bare": partial(_ask_bare, bare),
                }
                rows += _compared(sides, what, quick=quick)
    return rows


def _compared(
    sides: Mapping[str, Callable[[Batch], Measured]], what: str, *, quick: bool
) -> list[Row]:
    rounds, max_tokens = (3, 32) if quick else (5, MAX_TOKENS)
    servers = {name: sides[name] for name in ("ours", "theirs")}
    rows: list[Row] = []
    asked = 0

    def batches(count: int, how_many: int, each_tokens: int) -> list[Batch]:
        nonlocal asked
        first, asked = asked, asked + count * (how_many + 2)
        return [
            Batch(prompts(count, first=first + n * count), each_tokens) for n in range(how_many + 2)
        ]

    for count in STREAMS:
        long = interleaved(sides, prompts=batches(count, rounds, max_tokens), warm_ups=2)
        rows += _output_rows(count, long, what)
        short = batches(count, rounds * 2, FIRST_TOKENS)
        rows.append(_first_row(count, interleaved(servers, prompts=short, warm_ups=2), what))
    return rows


def _ask(client: Child, server: Running, model: str, batch: Batch) -> Measured:
    max_tokens = batch.max_tokens
    spent, own = spent_by(server.process.pid), spent_by_one(server.process.pid)
    before, own_before = spent(), own()
    answer = client.ask(port=server.port, model=model, prompts=batch.prompts, max_tokens=max_tokens)
    processor_s, own_s = spent() - before, own() - own_before
    answers = answer["answers"]
    for one in answers:
        if one.get("tokens") != max_tokens:
            raise ValueError(f"{max_tokens} tokens were asked for: {one}")
    tokens = max_tokens * len(answers)
    return Measured(
        tokens_per_s=tokens / answer["wall_s"],
        first_ms=median([one["first_s"] * 1000 for one in answers]),
        processor_ms=processor_s * 1000 / tokens,
        own_us=own_s * 1e6 / tokens,
    )


def _ask_bare(bare: Child, batch: Batch) -> Measured:
    answer = bare.ask(how="together", prompts=batch.prompts, max_tokens=batch.max_tokens)
    return Measured(answer["tokens"] / answer["wall_s"])


def _output_rows(count: int, measured: Mapping[str, list[Measured]], what: str) -> list[Row]:
    rates = {name: [m.tokens_per_s for m in side] for name, side in measured.items()}
    ours = measured["ours"]
    rows = [
        at_least(
            f"output, {_streams(count)} / {shown}",
            median(rates["ours"]),
            median(rates[name]),
            "tok/s",
            ratio=ratio,
            measured=paired_ratio(rates["ours"], rates[name]),
            note=f"{what}; {spread(rates['ours'])}",
        )
        for name, shown, ratio in (
            ("theirs", "mlx_lm.server", FASTER[count]),
            ("bare", "bare BatchGenerator", OVER_BARE),
        )
    ]
    costs = (median([m.processor_ms for m in measured[name]]) for name in ("ours", "theirs"))
    title = f"processor time per token, {_streams(count)} / mlx_lm.server"
    rows.append(orientation(title, *costs, "ms", note=what))
    if count == OWN_STREAMS:
        title = f"the server's own process, per token at {_streams(count)}"
        own = median([m.own_us for m in ours])
        rows.append(below(title, own, "us", limit=OWN_MICROSECONDS, note=what))
    return rows


def _first_row(count: int, measured: Mapping[str, list[Measured]], what: str) -> Row:
    ours, theirs = ([m.first_ms for m in measured[name]] for name in ("ours", "theirs"))
    title = f"time to first token, {_streams(count)} / mlx_lm.server"
    note = f"{what}; median of all streams; {spread(ours)}"
    if count < FROM_STREAMS:
        return orientation(title, median(ours), median(theirs), "ms", note=note)
    return no_more_than(
        title,
        median(ours),
        median(theirs),
        "ms",
        ratio=SOONER,
        measured=paired_ratio(ours, theirs),
        note=note,
    )


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
