"""The ledger: an append-only table of events, the guards that keep it so, and a derived index.

Guards are triggers, so they hold on every connection of every program. Together they leave an
INSERT of exactly the next number as the only statement that changes `ledger_event`; REPLACE is
caught before it could delete anything. Never use batch mode on these tables: it recreates a table
without its triggers. A change of the schema is a new table and a new body version.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """\
CREATE TABLE ledger_event (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    event_id TEXT NOT NULL UNIQUE CHECK (length(event_id) = 36),
    body BLOB NOT NULL CHECK (length(body) BETWEEN 2 AND 32768),
    leaf BLOB NOT NULL CHECK (length(leaf) = 32)
) STRICT""",
    """\
CREATE TRIGGER ledger_event_no_update BEFORE UPDATE ON ledger_event
BEGIN
    SELECT RAISE(ABORT, 'ledger: an event is never changed');
END""",
    """\
CREATE TRIGGER ledger_event_no_delete BEFORE DELETE ON ledger_event
BEGIN
    SELECT RAISE(ABORT, 'ledger: an event is never deleted');
END""",
    """\
CREATE TRIGGER ledger_event_next_only BEFORE INSERT ON ledger_event
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM ledger_event)
BEGIN
    SELECT RAISE(ABORT, 'ledger: an event gets the next number, no other');
END""",
    """\
CREATE TRIGGER ledger_event_new_id BEFORE INSERT ON ledger_event
WHEN EXISTS (SELECT 1 FROM ledger_event WHERE event_id = NEW.event_id)
BEGIN
    SELECT RAISE(ABORT, 'ledger: an event id is used once');
END""",
    """\
CREATE TABLE ledger_index (
    seq INTEGER PRIMARY KEY REFERENCES ledger_event (seq),
    ts_utc_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT,
    intent_seq INTEGER,
    request_id TEXT
) STRICT""",
    "CREATE INDEX ledger_index_kind ON ledger_index (kind, seq)",
    "CREATE INDEX ledger_index_actor ON ledger_index (actor, seq)",
    "CREATE INDEX ledger_index_subject ON ledger_index (subject, seq)",
    "CREATE INDEX ledger_index_outcome ON ledger_index (outcome, seq) WHERE outcome IS NOT NULL",
    "CREATE INDEX ledger_index_intent ON ledger_index (intent_seq) WHERE intent_seq IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("The ledger is never removed: restore a backup instead of downgrading.")
