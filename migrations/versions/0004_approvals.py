"""Asks, decisions, claims, approval profiles; the trash; what people say about models.

Decisions, claims and profiles are only ever added. An ask changes its state along the edges of
`app.authority.approvals.transitions` and is otherwise fixed; its plan is evidence of the ledger.
Triggers hold the same lines for every program: who may decide is decided here too.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """\
CREATE TABLE ask (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 8),
    act TEXT NOT NULL CHECK (length(act) BETWEEN 1 AND 64),
    subject TEXT NOT NULL CHECK (length(subject) <= 200),
    params TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    plan TEXT CHECK (length(plan) = 64),
    phrase TEXT NOT NULL DEFAULT '',
    asker TEXT NOT NULL,
    asker_person TEXT,
    asker_roles TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    approve_by_us INTEGER NOT NULL,
    execute_by_us INTEGER NOT NULL,
    ended_us INTEGER,
    why TEXT,
    run TEXT CHECK (length(run) = 64),
    again_of TEXT REFERENCES ask (id)
) STRICT""",
    "CREATE INDEX ask_state ON ask (state, approve_by_us)",
    "CREATE INDEX ask_created ON ask (created_us)",
    """\
CREATE TRIGGER ask_new_only BEFORE INSERT ON ask
WHEN EXISTS (SELECT 1 FROM ask WHERE id = NEW.id)
    OR NEW.state NOT IN ('draft', 'pending', 'revision_required', 'blocked')
    OR (NEW.plan IS NOT NULL AND EXISTS (SELECT 1 FROM ask WHERE plan = NEW.plan))
BEGIN
    SELECT RAISE(ABORT, 'approvals: an ask begins anew, unapproved and with a plan of its own');
END""",
    """\
CREATE TRIGGER ask_no_delete BEFORE DELETE ON ask
BEGIN
    SELECT RAISE(ABORT, 'approvals: an ask is never deleted');
END""",
    """\
CREATE TRIGGER ask_fixed BEFORE UPDATE ON ask
WHEN NEW.id IS NOT OLD.id
    OR NEW.act IS NOT OLD.act
    OR NEW.subject IS NOT OLD.subject
    OR NEW.params IS NOT OLD.params
    OR NEW.reason IS NOT OLD.reason
    OR NEW.asker IS NOT OLD.asker
    OR NEW.asker_person IS NOT OLD.asker_person
    OR NEW.asker_roles IS NOT OLD.asker_roles
    OR NEW.created_us IS NOT OLD.created_us
    OR NEW.again_of IS NOT OLD.again_of
    OR (OLD.state NOT IN ('draft', 'revision_required')
        AND (NEW.plan IS NOT OLD.plan
            OR NEW.phrase IS NOT OLD.phrase
            OR NEW.approve_by_us IS NOT OLD.approve_by_us
            OR NEW.execute_by_us IS NOT OLD.execute_by_us))
BEGIN
    SELECT RAISE(ABORT, 'approvals: what was asked is never changed');
END""",
    # One line per edge of app.authority.approvals.transitions; a test compares them.
    """\
CREATE TRIGGER ask_legal_only BEFORE UPDATE OF state ON ask
WHEN (OLD.state || ' ' || NEW.state) NOT IN (
    'draft feasible',
    'draft revision_required',
    'draft blocked',
    'revision_required draft',
    'revision_required withdrawn',
    'revision_required expired',
    'feasible pending',
    'feasible blocked',
    'pending approved',
    'pending rejected',
    'pending withdrawn',
    'pending expired',
    'pending stale',
    'pending blocked',
    'approved claimed',
    'approved revoked',
    'approved withdrawn',
    'approved expired',
    'claimed done',
    'claimed partial',
    'claimed failed',
    'claimed stale',
    'claimed blocked',
    'partial claimed'
)
BEGIN
    SELECT RAISE(ABORT, 'approvals: no such change of state');
END""",
    """\
CREATE TRIGGER ask_claim_first BEFORE UPDATE OF state ON ask
WHEN NEW.state = 'claimed'
    AND NOT EXISTS (SELECT 1 FROM execution_claim WHERE plan = OLD.plan)
BEGIN
    SELECT RAISE(ABORT, 'approvals: nothing is executed without a claim');
END""",
    """\
CREATE TRIGGER ask_approved_first BEFORE UPDATE OF state ON ask
WHEN NEW.state = 'approved'
    AND NOT EXISTS (
        SELECT 1 FROM approval WHERE ask = OLD.id AND plan = OLD.plan AND decision = 'approve'
    )
BEGIN
    SELECT RAISE(ABORT, 'approvals: nothing is approved by nobody');
END""",
    """\
CREATE TABLE approval (
    id INTEGER PRIMARY KEY,
    ask TEXT NOT NULL REFERENCES ask (id),
    plan TEXT NOT NULL CHECK (length(plan) = 64),
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject', 'veto')),
    key_id TEXT NOT NULL REFERENCES access_key (id),
    person TEXT NOT NULL REFERENCES person (id),
    groups TEXT NOT NULL DEFAULT '',
    meaning TEXT NOT NULL CHECK (length(meaning) BETWEEN 1 AND 1000),
    challenge TEXT NOT NULL UNIQUE,
    proof BLOB NOT NULL CHECK (length(proof) = 32),
    decided_us INTEGER NOT NULL
) STRICT""",
    "CREATE INDEX approval_ask ON approval (ask)",
    """\
CREATE TRIGGER approval_by_approvers_only BEFORE INSERT ON approval
WHEN NOT EXISTS (
    SELECT 1 FROM access_key JOIN key_person ON key_person.key_id = access_key.id
    WHERE access_key.id = NEW.key_id
        AND access_key.revoked_us IS NULL
        AND key_person.person = NEW.person
        AND (',' || access_key.roles || ',') LIKE '%,approver,%'
        AND (',' || access_key.roles || ',') NOT LIKE '%,advisor,%'
)
BEGIN
    SELECT RAISE(ABORT, 'approvals: only a person with an approver''s key decides');
END""",
    """\
CREATE TRIGGER approval_of_this_plan_only BEFORE INSERT ON approval
WHEN NOT EXISTS (
    SELECT 1 FROM ask
    WHERE ask.id = NEW.ask
        AND ask.plan = NEW.plan
        AND (ask.state = 'pending' OR (ask.state = 'approved' AND NEW.decision = 'veto'))
        AND (NEW.decision <> 'approve' OR NEW.decided_us < ask.approve_by_us)
)
BEGIN
    SELECT RAISE(ABORT, 'approvals: a decision is about the plan of an ask that waits for it');
END""",
    """\
CREATE TRIGGER approval_once BEFORE INSERT ON approval
WHEN EXISTS (
    SELECT 1 FROM approval
    WHERE id = NEW.id OR challenge = NEW.challenge
        OR (ask = NEW.ask AND person = NEW.person AND decision = NEW.decision)
)
BEGIN
    SELECT RAISE(ABORT, 'approvals: a person decides once, with a proof of its own');
END""",
    """\
CREATE TRIGGER approval_no_update BEFORE UPDATE ON approval
BEGIN
    SELECT RAISE(ABORT, 'approvals: a decision is never changed');
END""",
    """\
CREATE TRIGGER approval_no_delete BEFORE DELETE ON approval
BEGIN
    SELECT RAISE(ABORT, 'approvals: a decision is never deleted');
END""",
    """\
CREATE TABLE execution_claim (
    plan TEXT NOT NULL CHECK (length(plan) = 64),
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    ask TEXT NOT NULL REFERENCES ask (id),
    by_actor TEXT NOT NULL,
    claimed_us INTEGER NOT NULL,
    PRIMARY KEY (plan, attempt)
) STRICT""",
    """\
CREATE TRIGGER execution_claim_once BEFORE INSERT ON execution_claim
WHEN EXISTS (SELECT 1 FROM execution_claim WHERE plan = NEW.plan AND attempt = NEW.attempt)
    OR NOT EXISTS (
        SELECT 1 FROM ask
        WHERE ask.id = NEW.ask
            AND ask.plan = NEW.plan
            AND NEW.claimed_us < ask.execute_by_us
            AND ((ask.state = 'approved' AND NEW.attempt = 1)
                OR (ask.state = 'partial' AND NEW.attempt > 1))
    )
BEGIN
    SELECT RAISE(ABORT, 'approvals: an approved plan is claimed once, in time');
END""",
    """\
CREATE TRIGGER execution_claim_no_update BEFORE UPDATE ON execution_claim
BEGIN
    SELECT RAISE(ABORT, 'approvals: a claim is never changed');
END""",
    """\
CREATE TRIGGER execution_claim_no_delete BEFORE DELETE ON execution_claim
BEGIN
    SELECT RAISE(ABORT, 'approvals: a claim is never deleted');
END""",
    """\
CREATE TABLE approval_profile (
    version INTEGER PRIMARY KEY CHECK (version >= 1),
    document BLOB NOT NULL,
    changed_us INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT""",
    """\
CREATE TRIGGER approval_profile_next_only BEFORE INSERT ON approval_profile
WHEN NEW.version IS NOT (SELECT COALESCE(MAX(version), 0) + 1 FROM approval_profile)
BEGIN
    SELECT RAISE(ABORT, 'approvals: a profile gets the next number, no other');
END""",
    """\
CREATE TRIGGER approval_profile_no_update BEFORE UPDATE ON approval_profile
BEGIN
    SELECT RAISE(ABORT, 'approvals: a profile is never changed, only followed by another');
END""",
    """\
CREATE TRIGGER approval_profile_no_delete BEFORE DELETE ON approval_profile
BEGIN
    SELECT RAISE(ABORT, 'approvals: a profile is never deleted');
END""",
    # Where a model came from and how often something about it changed: plans name the generation.
    "ALTER TABLE model ADD COLUMN generation INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE model ADD COLUMN repo TEXT",
    "ALTER TABLE model ADD COLUMN revision TEXT",
    "ALTER TABLE model ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
    # What the signature that it came with was worth then, and whose it is where it held.
    "ALTER TABLE model ADD COLUMN signature TEXT NOT NULL DEFAULT 'absent'",
    "ALTER TABLE model ADD COLUMN signer TEXT",
    # A file of a model that another program keeps: where it lies. NULL: in our own store.
    "ALTER TABLE artifact ADD COLUMN adopted_path TEXT",
    # How its bytes became known: 'sha256' beforehand, 'git' by blob id, 'first_use';
    # 'confirmed' where an operator said that its SHA-256 is right.
    "ALTER TABLE artifact ADD COLUMN known_by TEXT NOT NULL DEFAULT 'first_use'",
    """\
CREATE TABLE model_alias (
    alias TEXT PRIMARY KEY NOT NULL CHECK (length(alias) BETWEEN 1 AND 96),
    model_id TEXT NOT NULL
) STRICT""",
    "CREATE INDEX model_alias_model ON model_alias (model_id)",
    """\
CREATE TABLE trash (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 8),
    model_id TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    ask TEXT NOT NULL REFERENCES ask (id),
    plan TEXT NOT NULL CHECK (length(plan) = 64),
    state TEXT NOT NULL CHECK (state IN ('trashed', 'restored', 'purging', 'purged', 'partial')),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    freed_bytes INTEGER,
    trashed_us INTEGER NOT NULL,
    purge_after_us INTEGER NOT NULL,
    ended_us INTEGER,
    model_row TEXT NOT NULL
) STRICT""",
    "CREATE INDEX trash_state ON trash (state, purge_after_us)",
    """\
CREATE TRIGGER trash_new_only BEFORE INSERT ON trash
WHEN EXISTS (SELECT 1 FROM trash WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'trash: an entry is never replaced');
END""",
    """\
CREATE TRIGGER trash_no_delete BEFORE DELETE ON trash
BEGIN
    SELECT RAISE(ABORT, 'trash: an entry is never deleted, only its bytes are');
END""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("Decisions are never removed: restore a backup instead of downgrading.")
