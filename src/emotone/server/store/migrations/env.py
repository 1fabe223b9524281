"""How Alembic runs the steps: on the connection that the store gives it."""

from __future__ import annotations

from alembic import context

from emotone.server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by writing it anew
    transaction_per_migration=False,
)
context.run_migrations()
