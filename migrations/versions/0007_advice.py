"""Advice: what was proposed and what became of it; what advice is made from; what it may change.

`hour_use` sums what each model was asked, by the hour and the name it was asked under: never whose
request it was, never text. A model gets terms of its own, an alias gets models to fall back on.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    # JSON list of model ids, tried in this order after the alias's own model.
    "ALTER TABLE model_alias ADD COLUMN fallbacks TEXT NOT NULL DEFAULT '[]'",
    """\
CREATE TABLE model_terms (
    model_id TEXT PRIMARY KEY NOT NULL,
    context INTEGER CHECK (context >= 1),
    slots INTEGER CHECK (slots BETWEEN 1 AND 64),
    idle_s INTEGER CHECK (idle_s >= 0)
) STRICT""",
    # `ttft`, `duration`, `waited`: JSON object of how many requests took about so long, in
    # milliseconds, by the number of a bucket. What follows from them is in columns of its own, so
    # that nobody who reads a month has to work it out.
    """\
CREATE TABLE hour_use (
    hour INTEGER NOT NULL,
    model_id TEXT NOT NULL,
    name TEXT NOT NULL,
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    cold INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    longest_tokens INTEGER NOT NULL,
    last_used_us INTEGER NOT NULL,
    ttft TEXT NOT NULL,
    duration TEXT NOT NULL,
    waited TEXT NOT NULL,
    ttft_p50_ms INTEGER,
    ttft_p95_ms INTEGER,
    duration_p95_ms INTEGER,
    waited_p95_ms INTEGER,
    PRIMARY KEY (hour, model_id, name)
) STRICT, WITHOUT ROWID""",
    # Whether advice was good is asked of a model, or a name, over a week of hours. The
    # index has all that it takes: a row is long.
    "CREATE INDEX hour_use_model ON hour_use (model_id, hour, requests, cold)",
    "CREATE INDEX hour_use_name ON hour_use (name, hour, requests, cold)",
    # `body`: the proposal as canonical JSON; `digest`: its SHA-256, which the ledger names.
    # `same`: SHA-256 of its kind, target and change: what it is about, whatever reason is given.
    """\
CREATE TABLE advice_proposal (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 8),
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    same TEXT NOT NULL CHECK (length(same) = 64),
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    body BLOB NOT NULL,
    snapshot TEXT,
    evidence TEXT NOT NULL CHECK (evidence IN ('holds', 'unchecked')),
    seen INTEGER NOT NULL CHECK (seen >= 1),
    created_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'dismissed', 'expired')),
    decided_us INTEGER,
    decided_by TEXT,
    reason TEXT,
    outcome TEXT CHECK (outcome IN ('done', 'asked', 'refused', 'unknown')),
    ask TEXT,
    run TEXT,
    refusal TEXT
) STRICT""",
    "CREATE INDEX advice_proposal_state ON advice_proposal (state, created_us)",
    "CREATE INDEX advice_proposal_made ON advice_proposal (created_us, id)",
    "CREATE INDEX advice_proposal_author ON advice_proposal (author, created_us)",
    "CREATE INDEX advice_proposal_same ON advice_proposal (same, state)",
    # Of what is about the same, one at most waits for a person.
    "CREATE UNIQUE INDEX advice_proposal_open ON advice_proposal (same) WHERE state = 'open'",
    # What was proposed is not rewritten, and what was decided stays decided.
    """\
CREATE TRIGGER advice_proposal_as_it_was BEFORE UPDATE ON advice_proposal
WHEN NEW.id IS NOT OLD.id OR NEW.author IS NOT OLD.author OR NEW.kind IS NOT OLD.kind
  OR NEW.target IS NOT OLD.target OR NEW.same IS NOT OLD.same OR NEW.digest IS NOT OLD.digest
  OR NEW.body IS NOT OLD.body OR NEW.snapshot IS NOT OLD.snapshot
  OR NEW.evidence IS NOT OLD.evidence OR NEW.created_us IS NOT OLD.created_us
  OR (OLD.state <> 'open' AND (NEW.state IS NOT OLD.state OR NEW.reason IS NOT OLD.reason
      OR NEW.decided_by IS NOT OLD.decided_by OR NEW.decided_us IS NOT OLD.decided_us))
BEGIN
    SELECT RAISE(ABORT, 'advice: what was proposed or decided is not rewritten');
END""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("What was proposed is never dropped: restore a backup instead.")
