"""Add how far the log of escalation is published."""

from eventlog.postgres.migrations.sent_0002 import create_sent

revision = "escalation_0002"
down_revision = "escalation_0001"


def upgrade() -> None:
    """Make it."""
    create_sent("escalation")
