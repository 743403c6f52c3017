"""Of which generation the log of routing is."""

from eventlog.postgres.migrations.generation_0003 import add_generation

revision = "routing_0003"
down_revision = "routing_0002"


def upgrade() -> None:
    """Add it."""
    add_generation("routing")
