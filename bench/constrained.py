"""Answers that obey a JSON schema beside free ones of the same length."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench.child import Child
from bench.models import bench_model, prompts
from bench.rounds import interleaved, paired_ratio
from bench.servers import Running, bring_in, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, at_least

MODEL = "bench/constrained"
STREAMS = (1, 4)
TARGET = 0.85
SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 500,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 24},
            "size": {"type": "integer"},
            "kind": {"enum": ["file", "directory", "link"]},
        },
        "required": ["name", "size", "kind"],
        "additionalProperties": False,
    },
}
"""Too long for any answer here to end by itself: both sides draw `max_tokens` tokens."""
FORMAT = {"type": "json_schema", "json_schema": {"name": "files", "schema": SCHEMA}}


def run(quick: bool) -> list[Row]:
    rounds, max_tokens = (3, 64) if quick else (9, 192)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = bench_model(Path(scratch) / "model")
        home = quiet_home(Path(scratch) / "home")
        with product(home) as server, Child("bench.client") as client:
            bring_in(server, home, model, MODEL)
            for count in STREAMS:
                sides = {
                    "free": partial(_rate, client, server, max_tokens, {}),
                    "constrained": partial(
                        _rate, client, server, max_tokens, {"response_format": FORMAT}
                    ),
                }
                asked = [prompts(count, first=1000 * count + n * count) for n in range(rounds + 2)]
                rates = interleaved(sides, prompts=asked, warm_ups=2)
                rows.append(_row(count, rates["constrained"], rates["free"], what))
    return rows


def _rate(
    client: Child, server: Running, max_tokens: int, more: dict[str, Any], asked: list[str]
) -> float:
    answer = client.ask(
        port=server.port, model=MODEL, prompts=asked, max_tokens=max_tokens, more=more
    )
    for one in answer["answers"]:
        if one.get("tokens") != max_tokens:
            raise ValueError(f"{max_tokens} tokens were asked for: {one}")
    return max_tokens * len(asked) / float(answer["wall_s"])


def _row(count: int, constrained: list[float], free: list[float], what: str) -> Row:
    streams = "1 stream" if count == 1 else f"{count} streams"
    return at_least(
        f"output under a JSON schema, {streams} / free output",
        median(constrained),
        median(free),
        "tok/s",
        ratio=TARGET,
        measured=paired_ratio(constrained, free),
        note=f"{what}; {spread(constrained)}",
    )
