"""The states of escalation are stored behind its commits."""

from eventlog.postgres.migrations.states_0006 import create_states

revision = "escalation_0006"
down_revision = "escalation_0005"


def upgrade() -> None:
    """Make their tables."""
    create_states("escalation")
