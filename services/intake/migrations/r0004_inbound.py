"""The progress of the topics of the lines, and their dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "intake_0004"
down_revision = "intake_0003"


def upgrade() -> None:
    """Make both."""
    op.create_table(
        "inbound",
        sa.Column("line", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("digest", sa.LargeBinary, nullable=False, server_default=sa.text("''")),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        schema="intake",
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("again", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("problem", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=True),
        sa.Column("headers", sa.LargeBinary, nullable=True),
        sa.Column("value", sa.LargeBinary, nullable=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "line",
            "partition",
            "place",
            "digest",
            name="quarantine_line_partition_place_digest_key",
        ),
        schema="intake",
    )
