"""Cards that were not taken are in the log: the tables stay, but an older Twinline cannot read such an entry."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
