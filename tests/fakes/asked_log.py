"""A log of bodies in memory, indexed as the server does it, and the plain answer to a question."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.authority.ledger.filters import Filter
from app.authority.ledger.index import insert_rows
from app.evidence.indexing import index_row
from tests.fakes.database import fresh_database

Body = Mapping[str, Any]
START_US = 1_800_000_000_000_000


def body(seq: int, **said: Any) -> dict[str, Any]:
    """A canonical body as the parser gives it; `said` replaces members."""
    plain = {
        "seq": seq,
        "ts_utc_us": START_US + seq,
        "kind": "shutdown",
        "actor": {"id": "system", "person": None, "roles": ["operator"]},
        "subject": "",
        "outcome": None,
        "intent_seq": None,
        "request_id": None,
        "data": {},
    }
    return plain | said


def indexed(bodies: Iterable[Body]) -> sqlite3.Connection:
    with TemporaryDirectory() as directory:
        made = sqlite3.connect(fresh_database(Path(directory)))
        memory = sqlite3.connect(":memory:", isolation_level=None)
        made.backup(memory)
        made.close()
    insert_rows(memory, map(index_row, bodies))
    return memory


def is_like(wanted: Filter, one: Body) -> bool:
    """What the filters mean, said once more and without an index."""
    data, kind, actor = one["data"], one["kind"], one["actor"]
    refused = kind == "refusal"
    about = kind.startswith(("load_", "unload_", "model_", "worker_"))
    apart = one["subject"].startswith(("key ", "person ", "the ledger", "/"))
    reason = data.get("reason") or data.get("message") or ""
    if (run := data.get("run")) is None:
        if kind.endswith("_outcome"):
            run = str(one["intent_seq"])
        elif kind.endswith("_intent") or refused:
            run = str(one["seq"])
    actions = {"load_intent": "model.load", "load_outcome": "model.load", "shutdown": "stop"}
    asked = data.get("permission") or data.get("act") or "refuse"
    said = {
        "kind": kind,
        "action": asked if refused else actions[kind],
        "actor": actor["id"],
        "person": actor["person"],
        "outcome": one["outcome"],
        "model": one["subject"] or None if about or (refused and not apart) else data.get("model"),
        "digest": data.get("digest"),
        "plan": data.get("plan"),
        "run": run,
        "request_id": one["request_id"],
        "subject": one["subject"],
    }
    if str(one["intent_seq"]) == wanted.run:
        said["run"] = wanted.run  # an attempt by its number: what ended it, however that is named
    return (
        all(getattr(wanted, n) in (None, value) for n, value in said.items())
        and (wanted.since_us is None or one["ts_utc_us"] >= wanted.since_us)
        and (wanted.until_us is None or one["ts_utc_us"] < wanted.until_us)
        and (wanted.role is None or wanted.role in actor["roles"])
        and all(word in reason.casefold() for word in (wanted.text or "").casefold().split())
    )
