"""Intake's log, its shards, and the tables beside them. The functions follow in 0002."""

import secrets

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.migrations.chain_0004 import add_chain, add_head
from eventlog.postgres.migrations.generation_0003 import add_generation
from eventlog.postgres.migrations.log_0001 import create_log
from eventlog.postgres.migrations.sent_0002 import create_sent

revision = "intake_0001"
down_revision = None

TRACKING_KEY_BYTES = 32


def upgrade() -> None:
    """Make them, and draw the key of the tracking codes, which remains for ever."""
    create_log("intake")
    create_sent("intake")
    add_generation("intake", begins_generations=True)
    add_head("intake")
    add_chain("intake")
    create_districts()
    create_inputs()
    create_keys()
    create_clock()
    create_inbound()
    create_access()


def create_districts() -> None:
    """Make the list of districts. The number of a district is its partition in every topic."""
    op.create_table(
        "district",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("tracking_key", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("shard", name="district_shard_key"),
        schema="intake",
    )


def create_inputs() -> None:
    """Make what belongs to inputs: contents, identities, and the key of the tracking codes."""
    op.create_table(
        "content",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        schema="intake",
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("pos", sa.BigInteger, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Uuid, nullable=False),
        schema="intake",
    )
    tracking_key = op.create_table(
        "tracking_key",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("single", sa.Boolean, sa.CheckConstraint("single"), primary_key=True),
        schema="intake",
    )
    op.bulk_insert(tracking_key, [{"key": secrets.token_bytes(TRACKING_KEY_BYTES), "single": True}])


def create_keys() -> None:
    """Make the API keys, each of a district that exists, so that no typing error makes one."""
    op.create_table(
        "key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column(
            "district",
            sa.Text,
            sa.ForeignKey("intake.district.shard", name="key_district_fkey"),
            nullable=False,
        ),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("lines", sa.ARRAY(sa.Text), nullable=False),
        now_column("made"),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("hash", name="key_hash_key"),
        schema="intake",
    )


def create_clock() -> None:
    """Make what an operator says of the clock: confirmed leaps, and holds of a district's time.

    The newest hold counts.
    """
    op.create_table(
        "confirmed_clock",
        sa.Column("ahead_us", sa.BigInteger, nullable=False),
        now_column("at"),
        schema="intake",
    )
    op.create_table(
        "hold",
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        now_column("at"),
        schema="intake",
    )


def create_inbound() -> None:
    """Make the progress of the topics of the lines, and their dead letters."""
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
        now_column("at"),
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


def create_access() -> None:
    """Make the counts of who read logs, and of refused credentials."""
    op.create_table(
        "access",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("district", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "kind", "district", "what", "credential", "address", name="access_pkey"
        ),
        schema="intake",
    )


def now_column(name: str) -> sa.Column[object]:
    """Return a column with the instant at which its row is made."""
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.text("clock_timestamp()"),
    )
