"""A program that appends and says so, until it is killed: ``writer.py DATABASE SECONDS``."""

import os
import sys
import time
from pathlib import Path

from app.clock import SystemClock
from app.database import open_engine
from tests.fakes.events import load_intent, unload_intent
from tests.fakes.ledger import new_ledger


def main(path: Path, seconds: float) -> None:
    ledger = new_ledger(open_engine(path), SystemClock(), boot_id="writer")
    ends = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends:
        number += 1
        with_row = number % 2 == 0
        event = (unload_intent if with_row else load_intent)("x" * 500)
        if not with_row:
            receipt = ledger.append(event)
            say(receipt.seq, receipt.event_id)
            continue
        with ledger.recording(event) as connection:
            row = (f"{time.monotonic_ns():064}",)
            connection.exec_driver_sql("INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", row)
        say(0, "")


def say(seq: int, event_id: str) -> None:
    """One write, so that a line is whole or absent."""
    os.write(sys.stdout.fileno(), f"{seq} {event_id}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
