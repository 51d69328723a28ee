"""The first token of a prompt whose beginning was read before, beside that of the first reading."""

import tempfile
from pathlib import Path

from bench.child import Child, Json
from bench.models import prompts, random_model
from bench.servers import bring_in, product, quiet_home
from bench.statistics import median, spread
from bench.table import Row, no_more_than

MODEL = "bench/remembered"
PREFIX_TOKENS = 2000
CONTEXT = 4096
TARGET = 0.15


def run(quick: bool) -> list[Row]:
    rounds = 2 if quick else 5  # a first reading takes half a minute on two cores
    firsts: list[float] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        model, what = random_model(Path(scratch) / "model", context=CONTEXT)
        home = quiet_home(Path(scratch) / "home")
        with product(home) as server, Child("bench.client") as client:
            bring_in(server, home, model, MODEL, slots=1, context=CONTEXT)
            for number in range(rounds + 1):
                begin = _prefix(number)
                first, second = (
                    _ask(client, server.port, f"{begin} {question}")
                    for question in prompts(2, first=5000 + 2 * number)
                )
                if second["cached"] < PREFIX_TOKENS:
                    raise ValueError(f"the beginning was read again: {second}")
                if number:  # the first round warms up
                    firsts.append(first["first_s"] * 1000)
                    seconds.append(second["first_s"] * 1000)
    return [
        no_more_than(
            f"first token after {PREFIX_TOKENS:,} remembered tokens / not remembered",
            median(seconds),
            median(firsts),
            "ms",
            ratio=TARGET,
            note=f"{what}; {spread(seconds)}",
        )
    ]


def _prefix(number: int) -> str:
    """Text of at least `PREFIX_TOKENS` tokens whose beginning no other prefix has."""
    words = f"case {number * 7919}: " + " ".join(prompts(120, first=number * 120))
    return words[: 2 * PREFIX_TOKENS]


def _ask(client: Child, port: int, prompt: str) -> Json:
    (answer,) = client.ask(port=port, model=MODEL, prompts=[prompt], max_tokens=4)["answers"]
    if "first_s" not in answer:
        raise ValueError(f"no answer: {answer}")
    found: Json = answer
    return found
