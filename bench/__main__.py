"""`python -m bench`: runs the benchmarks, prints one table, writes JSON."""

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.child import ROOT
from bench.processor import others_percent
from bench.table import Row, missed, render, write

BENCHMARKS = {
    "decode": "one stream beside bare BatchGenerator",
    "streams": "1 to 16 streams beside mlx_lm.server and the bare generator, two models",
    "gguf": "1 and 4 streams beside llama.cpp's own server",
    "constrained": "answers under a JSON schema beside free ones",
    "remembered": "prompts whose beginning was read before",
    "authority": "the authority's own work before the first token",
    "backup": "answers while a million-event state is backed up",
    "cli_start": "how soon `lmx` answers without a server",
    "start": "start of a server with a million events and a hundred models",
    "footprint": "idle memory and start of the server",
    "slow_clients": "whole answers while 200 clients dawdle",
    "soak": "a day of six bots and an operator in minutes: memory",
    "approvals": "an ask on its whole way, racing executors, the plan of a deletion",
    "guardrails": "compiling an intent, deciding, deciding again, what a change concerns",
    "advice": "what advice costs, what it would have been worth, what gets past its walls",
    "hashing": "intake's hashing beside sha256sum",
    "ledger": "appends, verification, questions and export, a million events",
    "runs": "pages of a million runs, by every filter",
    "feasibility": "predicted memory beside measured peaks",
}
RESULTS = ROOT / "bench/results/latest.json"

QUIET_PERCENT = 15.0
"""More than this used by other programs, and ratios close to 1 say nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when every benchmark ran and met its target, else 1."""
    asked = _parser().parse_args(arguments)
    started = time.time()
    rows: list[Row] = []
    busy = others_percent()
    for name in asked.only or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]} ...", file=sys.stderr, flush=True)
        rows += _rows_of(name, quick=asked.quick)
    print(render(rows))
    if busy > QUIET_PERCENT:
        print(
            f"\nOther programs used {busy:.0f}% of the processors at the start: do not trust this."
        )
    about = _about(busy=busy, seconds=round(time.time() - started), quick=asked.quick)
    write(asked.json, rows, about=about)
    failed = [row.what for row in rows if not row.met]
    verdict = f"MISSED: {'; '.join(failed)}" if failed else "Every target is met."
    print(f"\n{verdict}\nWritten to {asked.json}.")
    return 1 if failed else 0


def _rows_of(name: str, *, quick: bool) -> list[Row]:
    """One benchmark that breaks must not take the others' results with it."""
    try:
        rows: list[Row] = import_module(f"bench.{name}").run(quick)
    except Exception as error:  # noqa: BLE001 - reported as a missed row, traceback on stderr
        traceback.print_exc()
        note = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return [missed(name, "", target="runs", note=note)]
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(BENCHMARKS)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=BENCHMARKS, help=f"of {names}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="where to write")
    return parser


def _about(*, busy: float, seconds: int, quick: bool) -> dict[str, object]:
    return {
        "quick": quick,
        "took_s": seconds,
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "other_programs_percent_at_start": busy,
        "python": platform.python_version(),
        "mlx": version("mlx"),
        "mlx_lm": version("mlx-lm"),
        "ended_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())
