"""Of which generation the log of escalation is."""

from eventlog.postgres.migrations.generation_0003 import add_generation

revision = "escalation_0003"
down_revision = "escalation_0002"


def upgrade() -> None:
    """Add it."""
    add_generation("escalation")
