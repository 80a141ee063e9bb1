"""The tables of a store, the same on SQLite and PostgreSQL.

Ids are text of 1 to 256 characters in the form NFC, compared and sorted by code point; times are
whole microseconds since 1970 (UTC); JSON is text, compact, with keys as they came.

A ``person`` is one key for whoever acts: ``"u"`` and a user id, or ``"s"`` and a session id.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

# SQLite numbers rows by itself only where the type is spelt INTEGER.
Position = BigInteger().with_variant(Integer(), "sqlite")
# PostgreSQL sorts by the rules of a language unless told; SQLite compares bytes.
Id = Text().with_variant(Text(collation="C"), "postgresql")

events = Table(
    "events",
    metadata,
    Column("position", Position, primary_key=True, autoincrement=True),
    Column("event_id", Id, nullable=False),
    Column("person", Id, nullable=False),
    Column("session_id", Id),
    Column("item_id", Id),  # none for an impression: what it showed is in ``items``
    Column("kind", Id, nullable=False),
    Column("value", Float(53)),
    Column("time", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("recommendation_id", Id),
    Column("rank", Integer),
    Column("items", Text),
    Column("context", Text),
    Column("properties", Text),
    Column("digest", BigInteger, nullable=False),  # of what the client sent: tells a conflict
    sqlite_autoincrement=True,
)
Index("events_event_id", events.c.event_id, unique=True)
# What followed a list; events that name none cost nothing here.
Index(
    "events_recommendation",
    events.c.recommendation_id,
    events.c.kind,
    events.c.item_id,
    events.c.time,
    sqlite_where=events.c.recommendation_id.is_not(None),
    postgresql_where=events.c.recommendation_id.is_not(None),
)
# All that a request needs of a person, read from the index alone.
Index(
    "events_history",
    events.c.person,
    events.c.time,
    events.c.position,
    events.c.item_id,
    events.c.kind,
    events.c.value,
    events.c.session_id,
)

items = Table(
    "items",
    metadata,
    Column("item_id", Id, primary_key=True),
    Column("title", Text),
    Column("categories", Text, nullable=False),  # a JSON list of text
    Column("attributes", Text, nullable=False),  # a JSON object of text, numbers, booleans, lists
    Column("available_from", BigInteger),
    Column("available_until", BigInteger),
    Column("withdrawn", Boolean, nullable=False),
    Column("removed", Boolean, nullable=False),  # kept, so that every worker hears of it
    Column("words", Text, nullable=False),  # title and id without case and accents, for searching
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),  # the number of the change that last touched it
)
Index("items_change", items.c.change)

users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("attributes", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

merges = Table(  # whoever acted as ``person`` is known as ``into``, in later events too
    "merges",
    metadata,
    Column("person", Id, primary_key=True),
    Column("into", Id, nullable=False),
    Column("time", BigInteger, nullable=False),
)
Index("merges_into", merges.c.into)

recommendations = Table(  # what was shown, to whom, by which model and why
    "recommendations",
    metadata,
    Column("position", Position, primary_key=True, autoincrement=True),
    Column("recommendation_id", Id, nullable=False),
    Column("person", Id),
    Column("time", BigInteger, nullable=False),
    Column("model", Id),
    Column("experiment", Id),
    Column("variant", Id),
    Column("fallback", Boolean, nullable=False),
    Column("shown", Integer, nullable=False),  # how many of ``items`` the first page showed
    Column("request", Text, nullable=False),  # JSON: k, filters, context, diversity ...
    # JSON: [[item_id, score, source, reason, propensity], ...] in display order, further pages too
    Column("items", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("recommendations_id", recommendations.c.recommendation_id, unique=True)
Index("recommendations_person", recommendations.c.person, recommendations.c.time)
# Counts by the minute, read from the index alone: rows are long.
Index(
    "recommendations_time",
    recommendations.c.time,
    recommendations.c.recommendation_id,
    recommendations.c.fallback,
    recommendations.c.shown,
)

models = Table(
    "models",
    metadata,
    Column("version", Id, primary_key=True),  # "m" and a number with leading zeros: m00000012
    Column("path", Text, nullable=False),  # below the folder of models
    Column("name", Text, nullable=False),  # what it is, for people: "Weighted(ALS, EASE)"
    Column("state", Text, nullable=False),  # saving, accepted, refused, retired (files deleted)
    Column("position", BigInteger, nullable=False),  # of the last event it could have learned from
    Column("erasures", BigInteger, nullable=False),  # the number "erasures" before it read them
    Column("events", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("metrics", Text, nullable=False),  # JSON: {"NDCG@10": {"mean":, "low":, "high":}, ...}
    Column("gate", Text, nullable=False),  # JSON: [{"check":, "passed":, "reason":}, ...]
)

promotions = Table(  # the pointer and its history: the last row is in use
    "promotions",
    metadata,
    Column("number", Position, primary_key=True, autoincrement=True),
    Column("version", Id, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("by", Text, nullable=False),  # the key's name, "train" or "command line"
    Column("why", Text, nullable=False),  # promote, rollback
    sqlite_autoincrement=True,
)

trainings = Table(  # each attempt, also those that came to nothing; one runs at a time
    "trainings",
    metadata,
    Column("number", Position, primary_key=True, autoincrement=True),
    Column("started", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),  # while it runs: taken for dead from then on
    Column("finished", BigInteger),
    Column("state", Text, nullable=False),  # running, accepted, refused, failed
    Column("by", Text, nullable=False),  # "command line", "schedule"
    Column("version", Id),
    Column("reason", Text),  # why it failed or was refused
    sqlite_autoincrement=True,
)

rules = Table(  # boosts, pins and buries that hold for everyone
    "rules",
    metadata,
    Column("rule_id", Id, primary_key=True),
    Column("action", Text, nullable=False),  # boost, pin, bury
    Column("target", Text, nullable=False),  # JSON: {"item_id":} or {"category":}
    Column("amount", Float(53)),  # of a boost, in spreads of the person's scores
    Column("rank", Integer),  # of a pin
    Column("from", BigInteger),
    Column("until", BigInteger),
    Column("created", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the secret part, which is random
    Column("scopes", Text, nullable=False),  # JSON list of ingest, read, admin
    Column("per_second", Float(53)),  # the rate limit; none: the server's own
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
)

tombstones = Table(  # erased events stay erased: SHA-256 of event ids, salted
    "tombstones",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
)

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Id, primary_key=True),
    Column("person_hash", LargeBinary, nullable=False),
    Column("requested", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # the number "erasures" that it made
    Column("position", BigInteger),  # of their first event; models before it learned nothing
    Column("events", BigInteger, nullable=False),
    Column("recommendations", BigInteger, nullable=False),
    Column("completed", BigInteger),
)
Index("erasures_person", erasures.c.person_hash)

daily = Table(  # how often an item was met each day, counted up to numbers["daily"]
    "daily",
    metadata,
    # Days since 1970, of the event's own time; first, so that a span of days lies together.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("kind", Id, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers that a worker reads with each request, to notice what others changed: "items", "rules",
# "keys", "promotions", "merges", "erasures"; and how far a job has come: "daily".
numbers = Table(
    "numbers",
    metadata,
    Column("name", Id, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

secrets = Table(  # the salt of tombstones, made with the store
    "secrets",
    metadata,
    Column("name", Id, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
