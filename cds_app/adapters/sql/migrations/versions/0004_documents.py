"""Small sealed documents: issuers, signing keys, launches, visits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_documents"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_documents_until", "documents", ["until"])


def downgrade() -> None:
    op.drop_index("ix_documents_until", "documents")
    op.drop_table("documents")
