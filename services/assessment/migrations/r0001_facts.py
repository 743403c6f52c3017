"""The log and the shards of assessment, and the facts."""

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.migrations.generation_0003 import add_generation
from eventlog.postgres.migrations.log_0001 import create_log
from eventlog.postgres.migrations.sent_0002 import create_sent

revision = "assessment_0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    create_log("assessment")
    create_sent("assessment")
    add_generation("assessment")
    op.create_table(
        "merged",
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("pos", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("zone", sa.Text, nullable=False, server_default=sa.text("'UTC'")),
        schema="assessment",
    )
    op.create_table(
        "fact",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("case", sa.Text, nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("fact", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("shard", "worker", "case", "episode", name="fact_pkey"),
        schema="assessment",
    )
