"""The head of a shard's chain of hashes, and what a first log stores for it beside its rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.tables import NO_BYTES, NO_TEXT


def add_head(schema: str) -> None:
    """Add the head to the shards of a schema. A log that reads another one has an empty one."""
    head = sa.Column("head", sa.LargeBinary, nullable=False, server_default=sa.text(NO_BYTES))
    op.add_column("shard", head, schema=schema)


def add_chain(schema: str) -> None:
    """Add the senders and hashes of rows, and the table of generations."""
    for name, kind, default in (
        ("source", sa.Text, NO_TEXT),
        ("credential", sa.Text, NO_TEXT),
        ("hash", sa.LargeBinary, NO_BYTES),
    ):
        column = sa.Column(name, kind, nullable=False, server_default=sa.text(default))
        op.add_column("log", column, schema=schema)
    op.create_table(
        "generation",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("before", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column(
            "begun",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.PrimaryKeyConstraint("shard", "number", name="generation_pkey"),
        schema=schema,
    )
