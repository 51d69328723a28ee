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

NODE = Table(
    "ledger_node",
    METADATA,
    Column("level", Integer, primary_key=True),
    Column("idx", Integer, primary_key=True),
    Column("hash", LargeBinary),
)
"""Roots of complete tiles: (1, 0) covers events 1 to 256, (2, 0) events 1 to 65,536."""

COMMIT = Table(
    "ledger_commit",
    METADATA,
    Column("size", Integer, primary_key=True),
    Column("tag", LargeBinary),
)

CHECKPOINT = Table(
    "ledger_checkpoint",
    METADATA,
    Column("size", Integer, primary_key=True),
    Column("root", LargeBinary),
    Column("note", Text),
)

COSIGNATURE = Table(
    "ledger_cosignature",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("size", Integer),
    Column("witness", Text),
    Column("time_s", Integer),
    Column("note", Text),
)

BLOB = Table(
    "ledger_blob",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("bytes", LargeBinary),
)

INDEX = Table(
    "ledger_index",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("ts_utc_us", Integer),
    Column("kind", Text),
    Column("action", Text),
    Column("actor", Text),
    Column("person", Text),
    Column("roles", Text),
    Column("subject", Text),
    Column("model", Text),
    Column("digest", Text),
    Column("outcome", Text),
    Column("plan", Text),
    Column("run", Text),
    Column("intent_seq", Integer),
    Column("request_id", Text),
    Column("reason", Text),
)
"""Derived from the bodies: it chooses events, it never answers for them."""

PERSON = Table(
    "person",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("commitment", LargeBinary),
    Column("created_us", Integer),
)

PERSON_NAME = Table(
    "person_name",
    METADATA,
    Column("person", Text, primary_key=True),
    Column("salt", LargeBinary),
    Column("name", Text),
)

KEY_PERSON = Table(
    "key_person",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("person", Text),
)

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
