"""Decode of one stream: the product beside mlx-lm's bare generators on the same weights."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.child import Child, Json
from bench.models import bench_model, prompts
from bench.processor import Seconds, spent_by
from bench.rounds import interleaved, paired_ratio
from bench.servers import bring_in, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least, orientation

MAX_TOKENS = 256
MODEL = "bench/decode"
TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer of one side."""

    tokens_per_s: float
    processor_ms: float
    """Processor time per token, of every process that had a part in the answer."""


def run(quick: bool) -> list[Row]:
    rounds, max_tokens = (3, 96) if quick else (15, MAX_TOKENS)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = bench_model(Path(scratch) / "model")
        home = quiet_home(Path(scratch) / "home")
        with (
            product(home) as server,
            Child("bench.client") as client,
            Child("bench.hands", str(model)) as hands,
            Child("bench.bare", str(model)) as bare,
        ):
            bring_in(server, home, model, MODEL)

            def over_http(prompt: str) -> Json:
                asked = client.ask(
                    port=server.port, model=MODEL, prompts=[prompt], max_tokens=max_tokens
                )
                (answer,) = asked["answers"]
                return {**answer, "decode_s": answer.get("ended_s", 0) - answer.get("first_s", 0)}

            def asking(child: Child, **how: str) -> Callable[[str], Json]:
                return lambda prompt: child.ask(prompt=prompt, max_tokens=max_tokens, **how)

            sides = {
                "bare": _measured(asking(bare, how="batch"), spent_by(bare.pid), max_tokens),
                "http": _measured(over_http, spent_by(server.process.pid), max_tokens),
                "hands": _measured(asking(hands), spent_by(hands.pid), max_tokens),
                "stream": _measured(asking(bare, how="stream"), spent_by(bare.pid), max_tokens),
            }
            measured = interleaved(sides, prompts=prompts(rounds + 2, first=0), warm_ups=2)
    return _rows(measured, what)


def _measured(
    ask: Callable[[str], Json], spent: Seconds, max_tokens: int
) -> Callable[[str], Measured]:
    def measure(prompt: str) -> Measured:
        before = spent()
        answer = ask(prompt)
        processor_s = spent() - before
        if answer.get("tokens") != max_tokens:
            # A comparison of answers of different lengths would be none.
            raise ValueError(f"{max_tokens} tokens were asked for: {answer}")
        decode_s: float = answer["decode_s"]
        return Measured((max_tokens - 1) / decode_s, processor_s * 1000 / max_tokens)

    return measure


def _rows(measured: dict[str, list[Measured]], what: str) -> list[Row]:
    rates = {side: [m.tokens_per_s for m in kept] for side, kept in measured.items()}
    costs = {side: [m.processor_ms for m in kept] for side, kept in measured.items()}
    bare = median(rates["bare"])
    shown = {
        "http": ("decode, 1 stream, over HTTP / bare BatchGenerator", what),
        "hands": ("decode, 1 stream, WorkerHost.generate / bare BatchGenerator", "no HTTP"),
    }
    rows = [
        at_least(
            title,
            median(rates[side]),
            bare,
            "tok/s",
            ratio=TARGET,
            measured=paired_ratio(rates[side], rates["bare"]),
            note=f"{note}; {spread(rates[side])}, bare {spread(rates['bare'])}",
        )
        for side, (title, note) in shown.items()
    ]
    title = "decode, 1 stream, stream_generate / bare BatchGenerator"
    rows.append(orientation(title, median(rates["stream"]), bare, "tok/s"))
    title = "processor time per token, server and worker / bare BatchGenerator"
    cost, note = median(costs["http"]), "all processes of the product; less is better"
    return [*rows, orientation(title, cost, median(costs["bare"]), "ms", note=note)]
