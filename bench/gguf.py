"""GGUF: the product beside llama.cpp's own server from the same library, 1 and 4 streams."""

import tempfile
from functools import partial
from pathlib import Path

from bench.child import Child
from bench.gguf_model import random_gguf
from bench.models import prompts
from bench.rounds import interleaved, paired_ratio
from bench.servers import Running, bring_in, llama_cpp_server, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least

MODEL = "bench/gguf"
STREAMS = (1, 4)
SLOTS = 4
TARGET = 0.95


def run(quick: bool) -> list[Row]:
    rounds, max_tokens = (2, 16) if quick else (5, 48)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = random_gguf(Path(scratch) / "model")
        home = quiet_home(Path(scratch) / "home")
        with (
            product(home) as ours,
            llama_cpp_server(model / "model.gguf", slots=SLOTS) as theirs,
            Child("bench.client") as client,
        ):
            bring_in(ours, home, model, MODEL, slots=SLOTS)
            for count in STREAMS:
                sides = {
                    "ours": partial(_rate, client, ours, MODEL, max_tokens),
                    "theirs": partial(_rate, client, theirs, "model", max_tokens),
                }
                asked = [prompts(count, first=1000 * count + n * count) for n in range(rounds + 1)]
                rates = interleaved(sides, prompts=asked, warm_ups=1)
                rows.append(_row(count, rates["ours"], rates["theirs"], what))
    return rows


def _rate(client: Child, server: Running, model: str, max_tokens: int, asked: list[str]) -> float:
    """Tokens per second from sending to the last byte of the last answer."""
    answer = client.ask(port=server.port, model=model, prompts=asked, max_tokens=max_tokens)
    for one in answer["answers"]:
        if one.get("tokens") != max_tokens:
            raise ValueError(f"{max_tokens} tokens were asked for: {one}")
    return float(max_tokens * len(asked) / answer["wall_s"])


def _row(count: int, ours: list[float], theirs: list[float], what: str) -> Row:
    streams = "1 stream" if count == 1 else f"{count} streams"
    return at_least(
        f"GGUF output, {streams} / llama.cpp's own server",
        median(ours),
        median(theirs),
        "tok/s",
        ratio=TARGET,
        measured=paired_ratio(ours, theirs),
        note=f"{what}; {spread(ours)}",
    )
