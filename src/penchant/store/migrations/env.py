"""What Alembic runs: the migrations, within the transaction that is open."""

from __future__ import annotations

from alembic import context

from penchant.store.migrations import VERSION
from penchant.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
