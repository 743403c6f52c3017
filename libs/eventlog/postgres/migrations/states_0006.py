"""The aggregates of a stage as state rows, and the position up to which they have all rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_states(schema: str) -> None:
    """Make `state` and `checkpoint` in a schema."""
    op.create_table(
        "state",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("shard", "subject", name="state_pkey"),
        schema=schema,
    )
    op.execute(f"CREATE INDEX state_live ON {schema}.state (shard) WHERE live")
    op.execute(
        f"ALTER TABLE {schema}.state SET (fillfactor = 80)"
    )  # A case changes some times: room for that on its page.
    op.create_table(
        "checkpoint",
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("reach", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "recorded",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'-infinity'::timestamptz"),
        ),
        schema=schema,
    )
    op.execute(f"ALTER TABLE {schema}.checkpoint SET (fillfactor = 10)")
