"""The rows of routing's log that decide an input which had to wait get an index."""

from eventlog.postgres.migrations.late_rows_0005 import add_late_rows

revision = "routing_0005"
down_revision = "routing_0004"


def upgrade() -> None:
    """Add it."""
    add_late_rows("routing")
