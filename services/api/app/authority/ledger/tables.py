"""The ledger's tables as queries see them; `migrations/` is where they are made."""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()

EVENT = Table(
    "ledger_event",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("event_id", Text),
    Column("body", LargeBinary),
    Column("leaf", LargeBinary),
)

INDEX = Table(
    "ledger_index",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("ts_utc_us", Integer),
    Column("kind", Text),
    Column("actor", Text),
    Column("subject", Text),
    Column("outcome", Text),
    Column("intent_seq", Integer),
    Column("request_id", Text),
)
"""Derived from the bodies: it chooses events, it never answers for them."""

USAGE = Table(
    "usage",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("request_id", Text),
    Column("actor", Text),
    Column("model_id", Text),
    Column("digest", Text),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("started_us", Integer),
    Column("ttft_ms", Integer),
    Column("duration_ms", Integer),
    Column("outcome", Text),
    Column("requests", Integer),
)
