"""Indexes on the log: by time, to count what fires, and over turns of switches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = ["at", "kind", "service", "topic", "tier", "suppression", "outcome"]
    op.create_index("ix_log_fired", "log", counted)
    turned = sa.text("kind = 'switch'")
    op.create_index("ix_log_turns", "log", ["number"], sqlite_where=turned, postgresql_where=turned)


def downgrade() -> None:
    op.drop_index("ix_log_turns", "log")
    op.drop_index("ix_log_fired", "log")
