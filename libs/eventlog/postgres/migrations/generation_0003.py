"""Of which generation a log is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.tables import GENERATION


def add_generation(schema: str, *, begins_generations: bool = False) -> None:
    """Add the generation to the shards of a schema. A stage takes that of the log which
    it reads.
    """
    first = GENERATION if begins_generations else "0"
    for name, default in (("generation", first), ("before", "0"), ("start", "0")):
        op.add_column(
            "shard",
            sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text(default)),
            schema=schema,
        )
