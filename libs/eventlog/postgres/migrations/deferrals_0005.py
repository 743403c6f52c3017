"""An index of the few rows by which an input waits or goes on, so that its outcome is found."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op


def add_deferrals(schema: str, types: Sequence[str]) -> None:
    """Make the index in a schema, for the events of these types."""
    names = ", ".join(f"'{name}'" for name in types)
    op.execute(
        f"CREATE INDEX log_deferrals ON {schema}.log (shard, subject, pos) WHERE type IN ({names})"
    )
