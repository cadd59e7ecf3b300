"""Alembic's environment: runs on the connection that `cds_app.adapters.sql.migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from cds_app.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
