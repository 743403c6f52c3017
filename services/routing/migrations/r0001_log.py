"""The log and the shards of routing."""

from eventlog.postgres.migrations.log_0001 import create_log

revision = "routing_0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    create_log("routing")
