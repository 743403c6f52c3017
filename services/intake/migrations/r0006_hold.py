"""A district that is ahead of the clock accepts nothing, unless an operator holds its time."""

import sqlalchemy as sa
from alembic import op

revision = "intake_0006"
down_revision = "intake_0005"


def upgrade() -> None:
    """Make the holds, of which the newest counts, and the check that `accept` makes."""
    op.create_table(
        "hold",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        schema="intake",
    )
    op.execute(CHECK_TIME)


# Raises GC003 if the time of a district is too far ahead of the clock, and not held: its
# clock leapt and was put back. Times that are given now would be wrong by as much.
CHECK_TIME = """
CREATE FUNCTION intake.check_time(a_shard text, a_time bigint, ahead_us_max bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE ahead bigint := a_time - intake.clock();
BEGIN
  IF ahead > ahead_us_max AND NOT EXISTS (
    SELECT FROM intake.hold h WHERE h.shard = a_shard AND h.until >= a_time
  ) THEN
    RAISE EXCEPTION USING ERRCODE = 'GC003', MESSAGE = ahead::text;
  END IF;
END $$
"""
