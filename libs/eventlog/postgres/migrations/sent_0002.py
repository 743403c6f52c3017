"""The published position of each shard, and the lease of its relay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_sent(schema: str) -> None:
    """Make `sent` in a schema, separate from `shard`, so that no commit waits for a relay."""
    op.create_table(
        "sent",
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        schema=schema,
    )
    op.execute(f"ALTER TABLE {schema}.sent SET (fillfactor = 10)")
