"""A program that asks, approves and executes, and says so, until it is killed: ``worker.py HOME``.

The keys of who works there come on standard input, as JSON.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from app.authority.approvals.parts import Limits
from tests.fakes.offices import Begun, Shelf


def main(home: Path) -> None:
    office = Begun(home, json.loads(sys.stdin.readline())).open(home)
    office.limits = Limits(a_minute=10**6, open_asks=10**6)
    shelf = office.toy
    assert isinstance(shelf, Shelf)
    number = len(list(shelf.where.iterdir())) if shelf.where.exists() else 0
    while True:
        number += 1
        name = f"toys-{number}"
        shelf.put(name)
        ask = office.ask(name=name)
        say(ask.id, name, "pending")
        office.decide("owner", ask)
        say(ask.id, name, "approved")
        if number % 3:
            say(ask.id, name, str(asyncio.run(office.execute(ask)).ask.state))
        else:
            say(ask.id, name, str(office.decide("owner", ask, "veto").state))


def say(*words: str) -> None:
    """One write, so that a line is whole or absent."""
    os.write(sys.stdout.fileno(), (" ".join(words) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
