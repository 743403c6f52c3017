"""The tables of a log, as SQLAlchemy knows them. Every service has them in a schema of its own.

`log` stores the rows, an entry each, and beside it the context of its trace. `shard` stores the
position, time and input of each shard, its lease, its generation and the head of its chain. Up to
`folded` its owner has replayed the log: that is `pos` once the shard is taken over. `sent` stores
how far a shard is published, and the relay's lease. `state` stores the aggregates of a stage.
`checkpoint` stores the position up to which they have all rows, the last row that is in any, and
the epoch that may write. Migrations make the tables (migrations/); a test compares both.

A first log reads no other one. Its rows name their senders and form a chain of hashes. It begins a
generation when a shard's row is made, so that no later one has a lower number.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

BEGINNING = "'-62135596800000000'::bigint"
NOW = "clock_timestamp()"
NEVER = "'-infinity'::timestamptz"
NO_BYTES = "'\\x'::bytea"
NO_TEXT = "''::text"
GENERATION = "((EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric))::bigint"


def metadata_of(schema: str, *, begins_generations: bool = False, defers: bool = False) -> MetaData:
    """Return the tables that every service has.

    `begins_generations` is for a first log. `defers` is for a log in which inputs may wait: its
    late rows have an index.
    """
    metadata = MetaData(schema=schema)
    log = add_log(metadata)
    if begins_generations:
        add_chain(metadata)
    if defers:
        Index("log_late", log.c.shard, log.c.cause, log.c.pos)
    add_shard(metadata, GENERATION if begins_generations else "0")
    add_sent(metadata)
    if not begins_generations:
        add_states(metadata)
    return metadata


def columns_of(metadata: MetaData) -> dict[str, list[str]]:
    """Return the columns of each table."""
    return {table.name: [each.name for each in table.columns] for table in metadata.tables.values()}


def add_log(metadata: MetaData) -> Table:
    """Add the table `log`, and return it."""
    return Table(
        "log",
        metadata,
        column("shard", Text),
        column("pos", BigInteger),
        column("ts", BigInteger),
        column("input", BigInteger),
        column("n", Integer),
        column("subject", Text),
        column("seq", Integer),
        column("cause", Text),
        column("type", Text),
        column("data", LargeBinary),
        column("recorded", DateTime(timezone=True), NOW),
        column("trace", Text, NO_TEXT),
        PrimaryKeyConstraint("shard", "pos", name="log_pkey"),
    )


def add_chain(metadata: MetaData) -> None:
    """Add to a first log the senders and hashes of its rows, and the table `generation`."""
    log = metadata.tables[f"{metadata.schema}.log"]
    log.append_column(column("source", Text, NO_TEXT))
    log.append_column(column("credential", Text, NO_TEXT))
    log.append_column(column("hash", LargeBinary, NO_BYTES))
    Table(
        "generation",
        metadata,
        column("shard", Text),
        column("number", BigInteger),
        column("before", BigInteger),
        column("start", BigInteger),
        column("begun", DateTime(timezone=True), NOW),
        PrimaryKeyConstraint("shard", "number", name="generation_pkey"),
    )


def add_shard(metadata: MetaData, generation: str) -> None:
    """Add the table `shard`; `generation` is that of a new row."""
    Table(
        "shard",
        metadata,
        Column("shard", Text, primary_key=True),
        column("pos", BigInteger, "0"),
        column("ts", BigInteger, BEGINNING),
        column("input", BigInteger, "0"),
        column("epoch", BigInteger, "0"),
        column("folded", BigInteger, "0"),
        column("owner", Text, NO_TEXT),
        column("leased_until", DateTime(timezone=True), NEVER),
        column("adopted", Integer, "0"),
        column("generation", BigInteger, generation),
        column("before", BigInteger, "0"),
        column("start", BigInteger, "0"),
        column("head", LargeBinary, NO_BYTES),
    )


def add_sent(metadata: MetaData) -> None:
    """Add the table `sent`."""
    Table(
        "sent",
        metadata,
        Column("shard", Text, primary_key=True),
        column("pos", BigInteger, "0"),
        column("owner", Text),
        column("leased_until", DateTime(timezone=True)),
    )


def add_states(metadata: MetaData) -> None:
    """Add the tables `state` and `checkpoint` to a log that follows from another one."""
    state = Table(
        "state",
        metadata,
        column("shard", Text),
        column("subject", Text),
        column("seq", Integer),
        column("live", Boolean),
        column("data", LargeBinary),
        PrimaryKeyConstraint("shard", "subject", name="state_pkey"),
    )
    Index("state_live", state.c.shard, postgresql_where=state.c.live)
    Table(
        "checkpoint",
        metadata,
        Column("shard", Text, primary_key=True),
        column("epoch", BigInteger),
        column("version", Text),
        column("pos", BigInteger, "0"),
        column("reach", BigInteger, "0"),
        column("recorded", DateTime(timezone=True), NEVER),
    )


def column(name: str, kind: Any, default: str | None = None) -> Column[Any]:
    """Return a column that is never null; `default` is SQL."""
    server_default = None if default is None else text(default)
    return Column(name, kind, nullable=False, server_default=server_default)
