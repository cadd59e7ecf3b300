"""Which resources a segment is of, so that a deletion finds whose one was. Unknown of segments that there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mentions",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("resources", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("patient", "number", name="pk_mentions"),
        sa.ForeignKeyConstraint(
            ["patient", "number"], ["segments.patient", "segments.number"], name="fk_mentions_segment"
        ),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO mentions (patient, number, resources) SELECT patient, number, NULL FROM segments")


def downgrade() -> None:
    op.drop_table("mentions")
