"""A start of a server that has run for long: a million events, a hundred models, until /readyz."""

import os
import tempfile
from pathlib import Path

from app.authority.permissions import Permission, grant
from app.domain.actors import SYSTEM
from app.settings import Settings
from app.wiring.opening import open_authority
from bench.ledger_home import make_home
from bench.servers import product
from bench.statistics import median, spread
from bench.table import Row, below
from tests.models import tiny_model

START_LIMIT_S = 2
EVENTS = 1_000_000
MODELS = 100
QUICK_EVENTS = 20_000


def run(quick: bool) -> list[Row]:
    # A warm start has its bytecode: where the environment forbids to write it, nothing is warm.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    events = QUICK_EVENTS if quick else EVENTS
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        home = Path(scratch) / "home"
        make_home(home, events=events)
        fill_catalog(home, Path(scratch) / "models")
        with product(home):
            pass  # reads every file once, and leaves the bytecode
        seconds = []
        for _ in range(2 if quick else 5):
            with product(home) as again:
                seconds.append(again.ready_s)
    what = f"start to /readyz, warm: {MODELS} models, {events:,} events"
    return [below(what, median(seconds), "s", limit=START_LIMIT_S, note=spread(seconds))]


def fill_catalog(home: Path, scratch: Path) -> None:
    """Bring in models by the way every model takes, each with bytes of its own."""
    authority = open_authority(Settings.model_validate({}), home=home, version="bench")
    try:
        for number in range(MODELS):
            name = f"bench/model-{number:03}"
            made = tiny_model(scratch / f"{number}", layers=1, hidden=32, seed=number)
            may = grant(SYSTEM, Permission.MODEL_IMPORT, subject=name)
            authority.catalog.import_directory(may, made, name, lambda _: None, lambda: False)
    finally:
        authority.usage.close()
        authority.refusals.close()
        authority.ledger.close()
        authority.database.dispose()
