"""The tables of a log as they were first made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

NEVER = "'-infinity'::timestamptz"


def create_log(schema: str) -> None:
    """Make `log` and `shard` in a schema."""
    create_log_table(schema)
    create_shard_table(schema)


def create_log_table(schema: str) -> None:
    """Make `log`."""
    op.create_table(
        "log",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("pos", sa.BigInteger, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("input", sa.BigInteger, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column(
            "recorded",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("trace", sa.Text, nullable=False, server_default=sa.text("''::text")),
        sa.PrimaryKeyConstraint("shard", "pos", name="log_pkey"),
        schema=schema,
    )
    op.execute(
        f"ALTER TABLE {schema}.log ALTER COLUMN data SET STORAGE EXTERNAL"
    )  # Small already; do not try to compress.


def create_shard_table(schema: str) -> None:
    """Make `shard`."""
    op.create_table(
        "shard",
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "ts",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("'-62135596800000000'::bigint"),
        ),
        sa.Column("input", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("epoch", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("folded", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("owner", sa.Text, nullable=False, server_default=sa.text("''::text")),
        sa.Column(
            "leased_until",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'-infinity'::timestamptz"),
        ),
        sa.Column("adopted", sa.Integer, nullable=False, server_default=sa.text("0")),
        schema=schema,
    )
    op.execute(
        f"ALTER TABLE {schema}.shard SET (fillfactor = 10)"
    )  # One row, written thousands of times: keep it on its page.
