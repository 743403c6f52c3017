"""An index of late rows: the few by which an input that had to wait was decided, by their cause."""

from __future__ import annotations

from alembic import op

LATE = (
    "cause LIKE 'clock/%/expiry/%' OR cause NOT LIKE 'clock/%'"
    " AND substr(cause, strpos(cause, '/')) <> '/' || shard || '/' || input"
)


def add_late_rows(schema: str) -> None:
    """Make the index in a schema."""
    op.execute(f"CREATE INDEX log_late ON {schema}.log (shard, cause, pos) WHERE {LATE}")
