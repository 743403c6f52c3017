"""The expiry of a key."""

import sqlalchemy as sa
from alembic import op

revision = "intake_0008"
down_revision = "intake_0007"


def upgrade() -> None:
    """Add it: keys that are there do not expire."""
    op.add_column(
        "key", sa.Column("expires", sa.DateTime(timezone=True), nullable=True), schema="intake"
    )
    op.execute(IN_FORCE)


# By the clock of the wall, which is not that of a demo's district.
IN_FORCE = """
CREATE FUNCTION intake.in_force(revoked timestamptz, expires timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
  SELECT revoked IS NULL AND (expires IS NULL OR expires > clock_timestamp())
$$
"""
