"""Patients, their segments, the decision log and its head."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_patients()
    _create_segments()
    _create_log()
    _create_log_head()


def downgrade() -> None:
    for table in ("log_head", "log", "segments", "patients"):
        op.drop_table(table)


def _create_patients() -> None:
    op.create_table(
        "patients",
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("erased", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pseudonym", name="pk_patients"),
    )


def _create_segments() -> None:
    op.create_table(
        "segments",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("number", COUNT, autoincrement=False, nullable=False),
        sa.Column("learned", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["patient"], ["patients.pseudonym"], name="fk_segments_patient"),
        sa.PrimaryKeyConstraint("patient", "number", name="pk_segments"),
    )


def _create_log() -> None:
    op.create_table(
        "log",
        sa.Column("number", COUNT, autoincrement=False, nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("suppression", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["patient"], ["patients.pseudonym"], name="fk_log_patient"),
        sa.PrimaryKeyConstraint("number", name="pk_log"),
        sa.UniqueConstraint("id", name="uq_log_id"),
    )
    op.create_index("ix_log_patient_number", "log", ["patient", "number"])


def _create_log_head() -> None:
    """The head exists from the start: on PostgreSQL its row is what writers lock."""
    head = op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("probes", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "mac": b"", "seal": b"", "probes": 0}])
