"""Add how far the log of routing is published."""

from eventlog.postgres.migrations.sent_0002 import create_sent

revision = "routing_0002"
down_revision = "routing_0001"


def upgrade() -> None:
    """Make it."""
    create_sent("routing")
