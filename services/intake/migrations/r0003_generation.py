"""Of which generation the log of intake is."""

from eventlog.postgres.migrations.generation_0003 import add_generation

revision = "intake_0003"
down_revision = "intake_0002"


def upgrade() -> None:
    """Add it."""
    add_generation("intake", begins_generations=True)
