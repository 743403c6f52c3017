"""The rows of escalation's log by which an input waits or goes on get an index."""

from eventlog.postgres.migrations.deferrals_0005 import add_deferrals

revision = "escalation_0005"
down_revision = "escalation_0004"

TYPES = (
    "gridcall.case-parked.v1",
    "gridcall.input-held.v1",
    "gridcall.case-retried.v1",
)


def upgrade() -> None:
    """Add it."""
    add_deferrals("escalation", TYPES)
