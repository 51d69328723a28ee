"""Responses that clients asked to be kept, where the operator allows that for their key.

The one table that holds text of answers. Rows are deleted by whose they are, and when their time is
over.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """\
CREATE TABLE kept_response (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    actor TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    input TEXT NOT NULL,
    messages TEXT NOT NULL
) STRICT""",
    "CREATE INDEX kept_response_expires ON kept_response (expires_us)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("What was kept is never dropped: restore a backup instead of downgrading.")
