"""The transparency log: nodes, commit tags, checkpoints, cosignatures, evidence; a wider index.

Everything but the index and the names of people is append-only by trigger, on every connection of
every program. The index is derived from the bodies: this revision drops the old one and makes one
that answers a compliance review's questions; the server fills it at the next start. A person's name
is the one thing here that can be erased: events carry a salted commitment to it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _append_only(table: str, what: str) -> tuple[str, str]:
    return (
        f"""\
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'ledger: {what} is never changed');
END""",
        f"""\
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'ledger: {what} is never deleted');
END""",
    )


def _only_larger(table: str, column: str) -> str:
    return f"""\
CREATE TRIGGER {table}_larger_only BEFORE INSERT ON {table}
WHEN NEW.{column} <= (SELECT COALESCE(MAX({column}), 0) FROM {table})
BEGIN
    SELECT RAISE(ABORT, 'ledger: {table} only grows');
END"""  # noqa: S608


STATEMENTS = (
    # level counts in tiles: node (1, 0) is the root over events 1 to 256, (2, 0) over 65,536.
    """\
CREATE TABLE ledger_node (
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 7),
    idx INTEGER NOT NULL CHECK (idx >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID""",
    *_append_only("ledger_node", "a node"),
    """\
CREATE TRIGGER ledger_node_next_only BEFORE INSERT ON ledger_node
WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_node WHERE level = NEW.level)
BEGIN
    SELECT RAISE(ABORT, 'ledger: a node gets the next place of its level, no other');
END""",
    # One row a commit: a keyed digest of size and root that only the signer can make.
    """\
CREATE TABLE ledger_commit (
    size INTEGER PRIMARY KEY CHECK (size >= 1),
    tag BLOB NOT NULL CHECK (length(tag) = 32)
) STRICT""",
    *_append_only("ledger_commit", "a commit"),
    _only_larger("ledger_commit", "size"),
    """\
CREATE TABLE ledger_checkpoint (
    size INTEGER PRIMARY KEY CHECK (size >= 1),
    root BLOB NOT NULL CHECK (length(root) = 32),
    note TEXT NOT NULL CHECK (length(note) BETWEEN 1 AND 65536)
) STRICT""",
    *_append_only("ledger_checkpoint", "a checkpoint"),
    _only_larger("ledger_checkpoint", "size"),
    """\
CREATE TABLE ledger_cosignature (
    id INTEGER PRIMARY KEY CHECK (id >= 1),
    size INTEGER NOT NULL CHECK (size >= 1),
    witness TEXT NOT NULL,
    time_s INTEGER NOT NULL,
    note TEXT NOT NULL CHECK (length(note) BETWEEN 1 AND 65536)
) STRICT""",
    *_append_only("ledger_cosignature", "a cosignature"),
    _only_larger("ledger_cosignature", "id"),
    """\
CREATE TABLE ledger_blob (
    digest TEXT PRIMARY KEY NOT NULL CHECK (length(digest) = 64),
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID""",
    *_append_only("ledger_blob", "evidence"),
    """\
CREATE TRIGGER ledger_blob_new_only BEFORE INSERT ON ledger_blob
WHEN EXISTS (SELECT 1 FROM ledger_blob WHERE digest = NEW.digest)
BEGIN
    SELECT RAISE(ABORT, 'ledger: evidence is never replaced');
END""",
    "DROP TABLE ledger_index",
    """\
CREATE TABLE ledger_index (
    seq INTEGER PRIMARY KEY,
    ts_utc_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    person TEXT,
    roles TEXT NOT NULL,
    subject TEXT NOT NULL,
    model TEXT,
    digest TEXT,
    outcome TEXT,
    plan TEXT,
    run TEXT,
    intent_seq INTEGER,
    request_id TEXT,
    reason TEXT
) STRICT""",
    # Every index is paid for at each append. Two hold several columns, whose few combinations are
    # looked up first; most leave out the rows that another index or the row's number finds.
    # The earliest and the latest time of each block of events, one seek away.
    "CREATE INDEX ledger_index_time ON ledger_index (seq / 2048, ts_utc_us)",
    "CREATE INDEX ledger_index_what ON ledger_index (kind, action, outcome)",
    "CREATE INDEX ledger_index_who ON ledger_index (actor, person, roles)",
    "CREATE INDEX ledger_index_model ON ledger_index (model) WHERE model IS NOT NULL",
    "CREATE INDEX ledger_index_digest ON ledger_index (digest) WHERE digest IS NOT NULL",
    "CREATE INDEX ledger_index_plan ON ledger_index (plan) WHERE plan IS NOT NULL",
    "CREATE INDEX ledger_index_intent ON ledger_index (intent_seq) WHERE intent_seq IS NOT NULL",
    "CREATE INDEX ledger_index_request ON ledger_index (request_id) WHERE request_id IS NOT NULL",
    "CREATE INDEX ledger_index_reason ON ledger_index (reason) WHERE reason IS NOT NULL",
    """\
CREATE INDEX ledger_index_subject ON ledger_index (subject)
WHERE subject <> '' AND subject IS NOT model""",
    """\
CREATE INDEX ledger_index_run ON ledger_index (run)
WHERE run IS NOT NULL AND run <> CAST(seq AS TEXT) AND run IS NOT CAST(intent_seq AS TEXT)""",
    # Who a key belongs to. People have ids; their names are in person_name alone.
    """\
CREATE TABLE person (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    created_us INTEGER NOT NULL
) STRICT""",
    *_append_only("person", "a person"),
    """\
CREATE TRIGGER person_new_only BEFORE INSERT ON person
WHEN EXISTS (SELECT 1 FROM person WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'ledger: a person is never replaced');
END""",
    """\
CREATE TABLE person_name (
    person TEXT PRIMARY KEY NOT NULL REFERENCES person (id),
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    name TEXT NOT NULL
) STRICT""",
    """\
CREATE TABLE key_person (
    key_id TEXT PRIMARY KEY NOT NULL REFERENCES access_key (id),
    person TEXT NOT NULL REFERENCES person (id)
) STRICT""",
    *_append_only("key_person", "who a key belongs to"),
    """\
CREATE TRIGGER key_person_new_only BEFORE INSERT ON key_person
WHEN EXISTS (SELECT 1 FROM key_person WHERE key_id = NEW.key_id)
BEGIN
    SELECT RAISE(ABORT, 'ledger: who a key belongs to is never replaced');
END""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("The ledger is never removed: restore a backup instead of downgrading.")
