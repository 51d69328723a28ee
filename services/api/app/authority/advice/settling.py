"""Finding what followed from a decision whose outcome nobody recorded: its run, or its ask."""

import json
from typing import Final, NamedTuple

from app.authority.advice.kept import Kept
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.tiles import StoredTiles
from app.evidence.vocabulary import Kind as Event

AT_ONCE: Final = 500
MOST: Final = 20_000
"""Events that are looked through, from the decision on: the server ended soon after it."""


class Followed(NamedTuple):
    run: str | None = None
    ask: str | None = None


def followed(ledger: Ledger, kept: Kept, decision_seq: int) -> Followed:
    """The run that carries the proposal, and the ask that names it, where there are such.

    Blocks. The newest run counts: what was tried again after it failed is one act.
    """
    blob = StoredTiles(ledger.readers).blob
    found, after = Followed(), decision_seq
    while after < decision_seq + MOST and (page := ledger.events(after=after, limit=AT_ONCE)):
        for event in page:
            if event.kind == Event.ASK_MADE and event.data.get("proposal") == kept.id:
                found = found._replace(ask=str(event.data.get("ask")))
            elif (run := _run_of(event)) is not None and _carries(blob(run), kept.id):
                found = found._replace(run=run)
        after = page[-1].seq
    return found


def _run_of(event: StoredEvent) -> str | None:
    run = event.data.get("run")
    return run if isinstance(run, str) else None


def _carries(content: bytes | None, proposal: str) -> bool:
    try:
        body = json.loads(content or b"")
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("proposal") == proposal
