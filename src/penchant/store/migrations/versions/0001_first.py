"""The tables of a new store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from penchant.store.migrations import salt

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As they were when this was written: what ``schema`` says later comes by later migrations.
Position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "events",
        sa.Column("position", Position, primary_key=True, autoincrement=True),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("person", Id, nullable=False),
        sa.Column("session_id", Id),
        sa.Column("item_id", Id),
        sa.Column("kind", Id, nullable=False),
        sa.Column("value", sa.Float(53)),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("recommendation_id", Id),
        sa.Column("rank", sa.Integer),
        sa.Column("items", sa.Text),
        sa.Column("context", sa.Text),
        sa.Column("properties", sa.Text),
        sa.Column("digest", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_event_id", "events", ["event_id"], unique=True)
    op.create_index(
        "events_history",
        "events",
        ["person", "time", "position", "item_id", "kind", "value", "session_id"],
    )
    op.create_index(
        "events_recommendation",
        "events",
        ["recommendation_id", "kind", "item_id", "time"],
        sqlite_where=sa.text("recommendation_id IS NOT NULL"),
        postgresql_where=sa.text("recommendation_id IS NOT NULL"),
    )
    op.create_table(
        "items",
        sa.Column("item_id", Id, primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("categories", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("available_from", sa.BigInteger),
        sa.Column("available_until", sa.BigInteger),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
    )
    op.create_index("items_change", "items", ["change"])
    op.create_table(
        "users",
        sa.Column("user_id", Id, primary_key=True),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "merges",
        sa.Column("person", Id, primary_key=True),
        sa.Column("into", Id, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_index("merges_into", "merges", ["into"])
    op.create_table(
        "recommendations",
        sa.Column("position", Position, primary_key=True, autoincrement=True),
        sa.Column("recommendation_id", Id, nullable=False),
        sa.Column("person", Id),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("model", Id),
        sa.Column("experiment", Id),
        sa.Column("variant", Id),
        sa.Column("fallback", sa.Boolean, nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("recommendations_id", "recommendations", ["recommendation_id"], unique=True)
    op.create_index("recommendations_person", "recommendations", ["person", "time"])
    op.create_index(
        "recommendations_time",
        "recommendations",
        ["time", "recommendation_id", "fallback", "shown"],
    )
    op.create_table(
        "models",
        sa.Column("version", Id, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("erasures", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("gate", sa.Text, nullable=False),
    )
    op.create_table(
        "promotions",
        sa.Column("number", Position, primary_key=True, autoincrement=True),
        sa.Column("version", Id, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trainings",
        sa.Column("number", Position, primary_key=True, autoincrement=True),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("version", Id),
        sa.Column("reason", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rules",
        sa.Column("rule_id", Id, primary_key=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("amount", sa.Float(53)),
        sa.Column("rank", sa.Integer),
        sa.Column("from", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key_id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("per_second", sa.Float(53)),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
    )
    op.create_table(
        "tombstones",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", Id, primary_key=True),
        sa.Column("person_hash", sa.LargeBinary, nullable=False),
        sa.Column("requested", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("recommendations", sa.BigInteger, nullable=False),
        sa.Column("completed", sa.BigInteger),
    )
    op.create_index("erasures_person", "erasures", ["person_hash"])
    op.create_table(
        "daily",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", Id, primary_key=True),
        sa.Column("item_id", Id, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "numbers",
        sa.Column("name", Id, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    secrets = op.create_table(
        "secrets",
        sa.Column("name", Id, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(secrets, [{"name": "tombstones", "value": salt()}])
