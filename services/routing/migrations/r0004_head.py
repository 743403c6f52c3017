"""The head of a chain of hashes, which is empty here: this log follows from another one."""

from eventlog.postgres.migrations.chain_0004 import add_head

revision = "routing_0004"
down_revision = "routing_0003"


def upgrade() -> None:
    """Add it."""
    add_head("routing")
