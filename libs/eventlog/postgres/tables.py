"""The tables of a log, as SQLAlchemy knows them: every service has them in a schema of its own.

`log` keeps the rows, an entry each; `shard` how far the log, time and input of a shard are, who
owns it, and of which generation it is: that of intake begins when a district's row is made, so that
no later one has a lower number; `sent` how far it is published, and by whom. Migrations make them
(migrations/); tests hold the two equal.
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
