"""What a ledger says of restores: its history was not uninterrupted, and a report names where."""

import json
import sqlite3
from typing import Any, Final

_RESTORES: Final = (
    "SELECT seq, body FROM ledger_event WHERE seq IN (SELECT seq FROM ledger_index"
    " WHERE kind = 'state_restored') ORDER BY seq"
)


def restores(connection: sqlite3.Connection) -> list[str]:
    """A sentence for each event that says the state was restored; bodies are judged elsewhere."""
    return [_sentence(seq, bytes(body)) for seq, body in connection.execute(_RESTORES)]


def _sentence(seq: int, body: bytes) -> str:
    try:
        fields = json.loads(body)
        name, data = str(fields["subject"]), fields["data"]
        size, gone = int(data["size"]), _gone(data)
    except (ValueError, KeyError, TypeError):
        return f"NOT AN UNINTERRUPTED HISTORY: event {seq:,} says that the state was restored."
    return (
        f"NOT AN UNINTERRUPTED HISTORY: event {seq:,} says that the state was restored from the "
        f"backup {name}, which ends with event {size:,}. {gone}"
    )


def _gone(data: dict[str, Any]) -> str:
    replaced = data.get("replaced_size")
    if replaced is None:
        return "What came after it is not known here."
    count = max(0, int(replaced) - int(data["size"]))
    root = data.get("replaced_root")
    return (
        f"{count:,} later {'event' if count == 1 else 'events'} of the ledger that it replaced are "
        f"not in this one{f' (root {root} over {int(replaced):,})' if root else ''}."
    )
