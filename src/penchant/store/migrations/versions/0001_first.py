"""The tables of a new store."""

from __future__ import annotations

from alembic import op

from penchant.store.migrations import salt
from penchant.store.schema import metadata, secrets

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    metadata.create_all(op.get_bind())
    op.bulk_insert(secrets, [{"name": "tombstones", "value": salt()}])
