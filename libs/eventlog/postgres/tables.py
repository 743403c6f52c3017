"""The tables of a log, as SQLAlchemy knows them. Every service has them in a schema of its own.

`log` stores the rows, an entry each. `shard` stores the position, time and input of each shard, its
lease and its generation. A first log begins a generation when a shard's row is made, so that no
later one has a lower number. `sent` stores how far a shard is published, and the relay's lease.
Migrations make the tables (migrations/); a test compares both.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

GENERATION = "((EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric))::bigint"


def metadata_of(schema: str, *, begins_generations: bool = False) -> MetaData:
    """Return the tables that every service has.

    `begins_generations` is for the log that reads no other one: a shard's first row begins one.
    """
    metadata = MetaData(schema=schema)
    Table(
        "log",
        metadata,
        Column("shard", Text, nullable=False),
        Column("pos", BigInteger, nullable=False),
        Column("ts", BigInteger, nullable=False),
        Column("input", BigInteger, nullable=False),
        Column("n", Integer, nullable=False),
        Column("subject", Text, nullable=False),
        Column("seq", Integer, nullable=False),
        Column("cause", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column(
            "recorded",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("clock_timestamp()"),
        ),
        PrimaryKeyConstraint("shard", "pos", name="log_pkey"),
    )
    Table(
        "shard",
        metadata,
        Column("shard", Text, primary_key=True),
        Column("pos", BigInteger, nullable=False, server_default=text("0")),
        Column(
            "ts", BigInteger, nullable=False, server_default=text("'-62135596800000000'::bigint")
        ),
        Column("input", BigInteger, nullable=False, server_default=text("0")),
        Column("epoch", BigInteger, nullable=False, server_default=text("0")),
        Column("owner", Text, nullable=False, server_default=text("''::text")),
        Column(
            "leased_until",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("'-infinity'::timestamptz"),
        ),
        Column("adopted", Integer, nullable=False, server_default=text("0")),
        Column(
            "generation",
            BigInteger,
            nullable=False,
            server_default=text(GENERATION if begins_generations else "0"),
        ),
        Column("before", BigInteger, nullable=False, server_default=text("0")),
        Column("start", BigInteger, nullable=False, server_default=text("0")),
    )
    Table(
        "sent",
        metadata,
        Column("shard", Text, primary_key=True),
        Column("pos", BigInteger, nullable=False, server_default=text("0")),
        Column("owner", Text, nullable=False),
        Column("leased_until", DateTime(timezone=True), nullable=False),
    )
    return metadata
