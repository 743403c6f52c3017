"""The published position of intake's log, and the list of districts.

A district's number is its partition in every topic.
"""

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.migrations.sent_0002 import create_sent

revision = "intake_0002"
down_revision = "intake_0001"


def upgrade() -> None:
    """Make them; districts that are there are numbered by name."""
    create_sent("intake")
    op.create_table(
        "district",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("shard", sa.Text, nullable=False),
        sa.UniqueConstraint("shard", name="district_shard_key"),
        schema="intake",
    )
    op.execute(
        "INSERT INTO intake.district"
        " SELECT row_number() OVER (ORDER BY shard) - 1, shard FROM intake.shard"
    )
    op.execute(LOCKED)


# As it was made first; a new shard is entered at the end of the list too, one at a time.
LOCKED = """
CREATE OR REPLACE FUNCTION intake.locked(a_shard text) RETURNS intake.shard LANGUAGE plpgsql AS $$
DECLARE found_row intake.shard;
BEGIN
  SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  IF NOT FOUND THEN
    LOCK TABLE intake.district IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO intake.district SELECT count(*), a_shard FROM intake.district
      ON CONFLICT (shard) DO NOTHING;
    INSERT INTO intake.shard (shard) VALUES (a_shard) ON CONFLICT DO NOTHING;
    SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  END IF;
  RETURN found_row;
END $$
"""
