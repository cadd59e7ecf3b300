"""Trust records of clients, and the tokens that they used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_clients()
    _create_seen_tokens()


def downgrade() -> None:
    op.drop_table("seen_tokens")
    op.drop_table("clients")


def _create_clients() -> None:
    op.create_table(
        "clients",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("iss", sa.Text(), nullable=False),
        sa.Column("jku", sa.Text(), nullable=False),
        sa.Column("jwks", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("tenants", sa.Text(), nullable=False),
        sa.Column("algs", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_clients"),
        sa.UniqueConstraint("iss", name="uq_clients_iss"),
    )


def _create_seen_tokens() -> None:
    op.create_table(
        "seen_tokens",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "token", name="pk_seen_tokens"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_seen_tokens_until", "seen_tokens", ["until"])
