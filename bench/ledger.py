"""The ledger: what an append costs, and what a record of a million events can be asked.

Everything is the product itself: appends through the real writer, signer and sink; verification,
export and reindexing as the commands that users run; questions over HTTP to a real server.
"""

import tempfile
from pathlib import Path
from typing import Final

from bench import ledger_appends, ledger_history
from bench import ledger_processes as processes
from bench.ledger_home import Made, make_home
from bench.ledger_processes import lmx
from bench.servers import product
from bench.table import Row, below, orientation

EVENTS: Final = 1_000_000
FEW_EVENTS: Final = 20_000
VERIFY_S: Final = 10
VERIFY_MB: Final = 300
EXPORT_S: Final = 60
EXPORT_MB: Final = 150


def run(quick: bool) -> list[Row]:
    """Needs 2.5 GB in TMPDIR for as long as it runs; says so where they are not there."""
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        appends = ledger_appends.rows(Path(scratch), quick=quick)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        made = make_home(Path(scratch) / "home", events=FEW_EVENTS if quick else EVENTS)
        return [
            *appends,
            *_stored(made),
            *_verified(made),
            *_served(made, Path(scratch), quick=quick),
            *_verified_again(made),
        ]


def _stored(made: Made) -> list[Row]:
    """What an event takes on the disk, and how long the past took to make up."""
    note = "bodies, hashes, index; the sink has bodies, too"
    return [
        orientation(
            "database, an event", made.database_bytes / made.size, None, "bytes", note=note
        ),
        orientation("sink, an event", made.sink_bytes / made.size, None, "bytes"),
        orientation(f"a past of {made.size:,} events, made up", made.seconds, None, "s"),
    ]


def _verified(made: Made) -> list[Row]:
    ended = lmx("ledger", "verify", home=made.home)
    what = f"`lmx ledger verify` of {made.size:,} events"
    note = "bodies, leaves, tree, index, signatures, sink and the signer's memory"
    memory = "all its processes together, at their largest"
    return [
        below(what, ended.seconds, "s", limit=VERIFY_S, note=note),
        below(f"{what}, memory", ended.peak_bytes / 1e6, "MB", limit=VERIFY_MB, note=memory),
    ]


def _served(made: Made, scratch: Path, *, quick: bool) -> list[Row]:
    out = scratch / "export"
    with product(made.home) as server:
        address = f"http://127.0.0.1:{server.port}"
        start = orientation("start of `lmx serve` on that ledger", server.ready_s, None, "s")
        questions = ledger_history.rows(server.port, made.home, events=made.size, quick=quick)
        export = lmx("ledger", "export", "--out", str(out), "--server", address, home=made.home)
        again = lmx("ledger", "reindex", "--server", address, home=made.home)
    checked = processes.run([str(out / "verify.py"), str(out)])
    alone = "the command's, without the server"
    what = f"`lmx ledger export` of {made.size:,} events"
    return [
        start,
        *questions,
        below(what, export.seconds, "s", limit=EXPORT_S, note="over HTTP on this machine"),
        below(f"{what}, memory", export.peak_bytes / 1e6, "MB", limit=EXPORT_MB, note=alone),
        orientation("`verify.py` of that export", checked.seconds, None, "s"),
        orientation("`verify.py`, memory", checked.peak_bytes / 1e6, None, "MB"),
        orientation("`lmx ledger reindex`", again.seconds, None, "s"),
    ]


def _verified_again(made: Made) -> list[Row]:
    """The ledger still holds after all that, and its index is now as the server makes it."""
    ended = lmx("ledger", "verify", home=made.home)
    what = "`lmx ledger verify` of what that left, with an index that was made anew"
    return [orientation(what, ended.seconds, None, "s")]
