"""The rows of routing's log by which an input waits or goes on get an index."""

from eventlog.postgres.migrations.deferrals_0005 import add_deferrals

revision = "routing_0005"
down_revision = "routing_0004"

TYPES = (
    "gridcall.action-waits.v1",
    "gridcall.case-parked.v1",
    "gridcall.input-held.v1",
    "gridcall.case-retried.v1",
)


def upgrade() -> None:
    """Add it."""
    add_deferrals("routing", TYPES)
