"""Decode of one stream: the product beside mlx-lm's bare generators on the same weights."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.child import Child, Json
from bench.models import bench_model, prompts
from bench.rounds import interleaved, paired_ratio
from bench.servers import bring_in, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least, orientation

MAX_TOKENS = 256
MODEL = "bench/decode"
TARGET = 0.95


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
            sides: dict[str, Callable[[str], float]] = {
                "bare": lambda p: _rate(bare, max_tokens, prompt=p, how="batch"),
                "http": lambda p: _streamed(client, server.port, p, max_tokens),
                "hands": lambda p: _rate(hands, max_tokens, prompt=p),
                "stream": lambda p: _rate(bare, max_tokens, prompt=p, how="stream"),
            }
            rates = interleaved(sides, prompts=prompts(rounds + 2, first=0), warm_ups=2)
    return _rows(rates, what)


def _rows(rates: dict[str, list[float]], what: str) -> list[Row]:
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
    title = "stream_generate / bare BatchGenerator"
    return [*rows, orientation(title, median(rates["stream"]), bare, "tok/s")]


def _rate(child: Child, max_tokens: int, **question: str) -> float:
    answer = child.ask(**question, max_tokens=max_tokens)
    decode_s: float = answer["decode_s"]
    return (_checked(answer, max_tokens) - 1) / decode_s


def _streamed(client: Child, port: int, prompt: str, max_tokens: int) -> float:
    asked = client.ask(port=port, model=MODEL, prompts=[prompt], max_tokens=max_tokens)
    (answer,) = asked["answers"]
    decode_s: float = answer["ended_s"] - answer["first_s"]
    return (_checked(answer, max_tokens) - 1) / decode_s


def _checked(answer: Json, max_tokens: int) -> int:
    """A comparison of answers of different lengths would be none."""
    if answer.get("tokens") != max_tokens:
        raise ValueError(f"{max_tokens} tokens were asked for: {answer}")
    return max_tokens
