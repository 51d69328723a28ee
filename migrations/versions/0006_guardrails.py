"""Guardrails: documents, which one holds, what intents were compiled to, what was decided by it.

Everything in their tables is only ever added. What holds now is the newest row; what held then
stays readable, so that a decision can be made again from its record. A model gets what its author
says of its licence (empty: unknown), for rules to look at.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE model ADD COLUMN licence TEXT NOT NULL DEFAULT ''",
    """\
CREATE TABLE guardrails_version (
    version INTEGER PRIMARY KEY CHECK (version >= 1),
    document BLOB NOT NULL,
    form TEXT NOT NULL CHECK (form IN ('yaml', 'markdown')),
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    note TEXT NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    loaded_us INTEGER NOT NULL,
    loaded_by TEXT NOT NULL
) STRICT""",
    """\
CREATE TRIGGER guardrails_version_next_only BEFORE INSERT ON guardrails_version
WHEN NEW.version IS NOT (SELECT COALESCE(MAX(version), 0) + 1 FROM guardrails_version)
BEGIN
    SELECT RAISE(ABORT, 'guardrails: a document gets the next number, no other');
END""",
    """\
CREATE TABLE guardrails_activation (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    version INTEGER NOT NULL REFERENCES guardrails_version (version),
    ask TEXT REFERENCES ask (id),
    activated_us INTEGER NOT NULL,
    activated_by TEXT NOT NULL
) STRICT""",
    """\
CREATE TRIGGER guardrails_activation_next_only BEFORE INSERT ON guardrails_activation
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM guardrails_activation)
BEGIN
    SELECT RAISE(ABORT, 'guardrails: an activation follows the one before it');
END""",
    """\
CREATE TABLE guardrails_definition (
    id TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
    version INTEGER NOT NULL CHECK (version >= 1),
    guardrails INTEGER NOT NULL REFERENCES guardrails_version (version),
    ir_hash TEXT NOT NULL CHECK (length(ir_hash) = 64),
    binding_hash TEXT NOT NULL CHECK (length(binding_hash) = 64),
    body BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT""",
    # What decided, years later: a record names it by its hash alone.
    "CREATE INDEX guardrails_definition_binding ON guardrails_definition (binding_hash)",
    """\
CREATE TRIGGER guardrails_definition_new_only BEFORE INSERT ON guardrails_definition
WHEN EXISTS (SELECT 1 FROM guardrails_definition WHERE id = NEW.id AND version = NEW.version)
BEGIN
    SELECT RAISE(ABORT, 'guardrails: a definition is never replaced, only followed by another');
END""",
    # The version of the definition that decides from now on; NULL: none does any more.
    """\
CREATE TABLE guardrails_binding (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    task TEXT NOT NULL,
    definition INTEGER,
    ask TEXT REFERENCES ask (id),
    bound_us INTEGER NOT NULL,
    bound_by TEXT NOT NULL,
    FOREIGN KEY (task, definition) REFERENCES guardrails_definition (id, version)
) STRICT""",
    "CREATE INDEX guardrails_binding_task ON guardrails_binding (task, seq)",
    """\
CREATE TRIGGER guardrails_binding_next_only BEFORE INSERT ON guardrails_binding
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM guardrails_binding)
BEGIN
    SELECT RAISE(ABORT, 'guardrails: a binding follows the one before it');
END""",
    # One row for each time that conditions were asked together. `record` holds what was read, what
    # followed and why; `digest` is its SHA-256, which the ledger names.
    """\
CREATE TABLE guardrails_decision (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    at_us INTEGER NOT NULL,
    point TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    outcome TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    record BLOB NOT NULL
) STRICT""",
    "CREATE INDEX guardrails_decision_point ON guardrails_decision (point, at_us)",
    "CREATE INDEX guardrails_decision_digest ON guardrails_decision (digest)",
    """\
CREATE TRIGGER guardrails_decision_next_only BEFORE INSERT ON guardrails_decision
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM guardrails_decision)
BEGIN
    SELECT RAISE(ABORT, 'guardrails: a decision follows the one before it');
END""",
)

TABLES = (
    "guardrails_version",
    "guardrails_activation",
    "guardrails_definition",
    "guardrails_binding",
    "guardrails_decision",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TABLES:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table}\n"
                "BEGIN\n"
                "    SELECT RAISE(ABORT, 'guardrails: what was recorded is never changed');\n"
                "END"
            )


def downgrade() -> None:
    raise RuntimeError("Decisions are never removed: restore a backup instead of downgrading.")
