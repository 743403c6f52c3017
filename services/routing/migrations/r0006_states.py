"""The states of routing are stored behind its commits."""

from eventlog.postgres.migrations.states_0006 import create_states

revision = "routing_0006"
down_revision = "routing_0005"


def upgrade() -> None:
    """Make their tables."""
    create_states("routing")
