"""Access keys, the catalog of models, receipts of verification, and usage.

A key is never deleted and never changed, save for one thing once: it is revoked.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """\
CREATE TABLE access_key (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 8),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    roles TEXT NOT NULL CHECK (length(roles) > 0),
    secret_sha256 BLOB NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revoked_us INTEGER,
    revoked_by TEXT
) STRICT""",
    """\
CREATE TRIGGER access_key_revoke_only BEFORE UPDATE ON access_key
WHEN OLD.revoked_us IS NOT NULL
    OR NEW.revoked_us IS NULL
    OR NEW.revoked_by IS NULL
    OR NEW.id IS NOT OLD.id
    OR NEW.name IS NOT OLD.name
    OR NEW.roles IS NOT OLD.roles
    OR NEW.secret_sha256 IS NOT OLD.secret_sha256
    OR NEW.created_us IS NOT OLD.created_us
    OR NEW.created_by IS NOT OLD.created_by
BEGIN
    SELECT RAISE(ABORT, 'keys: a key can only be revoked, once');
END""",
    """\
CREATE TRIGGER access_key_no_delete BEFORE DELETE ON access_key
BEGIN
    SELECT RAISE(ABORT, 'keys: a key is never deleted');
END""",
    """\
CREATE TRIGGER access_key_new_only BEFORE INSERT ON access_key
WHEN EXISTS (
    SELECT 1 FROM access_key WHERE id = NEW.id OR secret_sha256 = NEW.secret_sha256
)
BEGIN
    SELECT RAISE(ABORT, 'keys: a key is never replaced');
END""",
    """\
CREATE TABLE model (
    id TEXT PRIMARY KEY NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    trust TEXT NOT NULL CHECK (trust IN ('verified', 'pinned', 'quarantined')),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    architecture TEXT NOT NULL,
    max_context INTEGER NOT NULL,
    created INTEGER NOT NULL,
    source TEXT NOT NULL,
    shape_json TEXT NOT NULL
) STRICT""",
    """\
CREATE TABLE artifact (
    model_id TEXT NOT NULL REFERENCES model (id),
    path TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (model_id, path)
) STRICT""",
    "CREATE INDEX artifact_sha256 ON artifact (sha256)",
    """\
CREATE TABLE receipt (
    sha256 TEXT PRIMARY KEY NOT NULL CHECK (length(sha256) = 64),
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    verified_us INTEGER NOT NULL
) STRICT""",
    """\
CREATE TABLE usage (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    model_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
    completion_tokens INTEGER NOT NULL CHECK (completion_tokens >= 0),
    started_us INTEGER NOT NULL,
    ttft_ms INTEGER,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    requests INTEGER NOT NULL DEFAULT 1 CHECK (requests >= 1)
) STRICT""",
    "CREATE INDEX usage_started ON usage (started_us)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    keys = op.get_bind().exec_driver_sql("SELECT count(*) FROM access_key").scalar_one()
    if keys:
        raise RuntimeError("Keys and models are in use: restore a backup instead of downgrading.")
    for table in ("usage", "receipt", "artifact", "model", "access_key"):
        op.execute(f"DROP TABLE {table}")
