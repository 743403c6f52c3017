"""The head of a chain of hashes, which is empty here: this log follows from others."""

from eventlog.postgres.migrations.chain_0004 import add_head

revision = "assessment_0002"
down_revision = "assessment_0001"


def upgrade() -> None:
    """Add it."""
    add_head("assessment")
