"""Assessment's tables beside its log: the merged position of each log, and the facts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from eventlog.postgres.tables import metadata_of

METADATA = metadata_of("assessment")

Table(
    "merged",
    METADATA,
    Column("shard", Text, primary_key=True),
    Column("log", Text, primary_key=True),
    Column("pos", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("zone", Text, nullable=False, server_default=text("'UTC'::text")),
)
Table(
    "fact",
    METADATA,
    Column("shard", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("case", Text, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("fact", LargeBinary, nullable=False),
    PrimaryKeyConstraint("shard", "worker", "case", "episode", name="fact_pkey"),
)
