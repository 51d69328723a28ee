"""How soon `lmx` answers without a server, as multiples of the bare interpreter beside it.

Each round starts the interpreter and every page once, in turns; what counts is the median of the
rounds' own ratios. All help pages are looked at once; the slowest are then measured in earnest.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from app.cli.tree import app
from bench.child import ROOT, environment
from bench.rounds import interleaved, paired_ratio
from bench.statistics import median
from bench.table import Row, below, missed

LIMITS: Final = {"--version": 3.0, "--help": 16.0, "complete": 16.0}
SLOWEST: Final = 4
HEAVY: Final = ("fastapi", "sqlalchemy", "mlx", "httpx", "pydantic", "rich")

Page = tuple[str, ...]

COMPLETED: Final[Page] = ("__complete", "models", "l")


def run(quick: bool) -> list[Row]:
    pages = [(*names, "--help") for names in _commands(app)]
    looked = {page: _seconds(_lmx(page)) for page in pages}
    slowest = sorted(pages, key=looked.__getitem__, reverse=True)[: 2 if quick else SLOWEST]
    asked = [
        ("--version",),
        ("--help",),
        COMPLETED,
        *(page for page in slowest if page != ("--help",)),
    ]
    rounds = 3 if quick else 15
    times = interleaved(
        {page: _timed(page) for page in [(), *asked]}, prompts=[None] * rounds, warm_ups=1
    )
    bare = times[()]
    ratios = {page: paired_ratio(times[page], bare) for page in asked}
    worst = max((page for page in asked if page[-1] == "--help"), key=ratios.__getitem__)
    note = f"{len(pages)} pages looked at; the slowest is `lmx {' '.join(worst)}`"
    return [
        _row("lmx --version", ratios[("--version",)], times[("--version",)], bare, "--version"),
        _row("lmx --help", ratios[("--help",)], times[("--help",)], bare, "--help"),
        _row("completing a subcommand", ratios[COMPLETED], times[COMPLETED], bare, "complete"),
        _row("slowest lmx ... --help", ratios[worst], times[worst], bare, "--help", note=note),
        _imports(pages),
    ]


def _row(
    what: str,
    ratio: float,
    ours: Sequence[float],
    bare: Sequence[float],
    limit: str,
    *,
    note: str = "",
) -> Row:
    said = f"{median(ours) * 1000:.0f} ms beside {median(bare) * 1000:.0f} ms of `python -c ''`"
    return below(
        what, ratio, "times", limit=LIMITS[limit], note="; ".join(filter(None, (said, note)))
    )


def _imports(pages: Sequence[Page]) -> Row:
    """Which heavy packages any help page loads, all pages in one process."""
    what, target = "heavy packages that a help page imports", "= 0"
    probe = (
        "import contextlib, io, sys; from app.cli.main import main\n"
        f"for page in {list(pages)!r}:\n"
        " with contextlib.redirect_stdout(io.StringIO()): main(page)\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if ended.returncode:
        return missed(what, "packages", target=target, note=ended.stderr.strip()[-200:])
    found = ended.stdout.split()
    note = ", ".join(found) or f"none of {', '.join(HEAVY)}"
    return Row(what, len(found), None, "packages", None, target, not found, note)


def _commands(command: Any, names: Page = ()) -> Iterator[Page]:
    yield names
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*names, name))


def _timed(page: Page) -> Any:
    command = _lmx(page) if page else [sys.executable, "-c", ""]
    return lambda _: _seconds(command)


def _lmx(page: Page) -> list[str]:
    installed = Path(sys.executable).with_name("lmx")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "app.cli.main"]
    return [*program, *page]


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=True)
    return time.perf_counter() - began
