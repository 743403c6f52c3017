"""The states of assessment are stored behind its commits."""

from eventlog.postgres.migrations.states_0006 import create_states

revision = "assessment_0003"
down_revision = "assessment_0002"


def upgrade() -> None:
    """Make their tables."""
    create_states("assessment")
