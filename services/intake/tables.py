"""Intake's tables beside its log.

They hold contents by digest, identities (never dropped), the key of their tracking codes, and API
keys. They also hold the progress and lease of each topic of a line, its dead letters, and who had
access. A district has the digest of the tracking key with which its codes are made.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from eventlog.postgres.tables import metadata_of

METADATA = metadata_of("intake", begins_generations=True)

Table(
    "content",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
Table(
    "identity",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("shard", Text, nullable=False),
    Column("pos", BigInteger, nullable=False),
    Column("ts", BigInteger, nullable=False),
    Column("content", Uuid, nullable=False),
)
Table(
    "tracking_key",
    METADATA,
    Column("key", LargeBinary, nullable=False),
    Column("single", Boolean, primary_key=True),  # True: there is no second row.
)
Table(
    "key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column(
        "district",
        Text,
        ForeignKey("intake.district.shard", name="key_district_fkey"),
        nullable=False,
    ),
    Column("source", Text, nullable=False),
    Column("lines", ARRAY(Text), nullable=False),
    Column(
        "made", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")
    ),
    Column("revoked", DateTime(timezone=True), nullable=True),
    Column("expires", DateTime(timezone=True), nullable=True),
    UniqueConstraint("hash", name="key_hash_key"),
)
Table(
    "confirmed_clock",
    METADATA,
    Column("ahead_us", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
Table(
    "hold",
    METADATA,
    Column("shard", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
Table(
    "district",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("shard", Text, nullable=False),
    Column("tracking_key", LargeBinary, nullable=False),
    UniqueConstraint("shard", name="district_shard_key"),
)
Table(
    "inbound",
    METADATA,
    Column("line", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False, server_default=text("0")),
    Column("digest", LargeBinary, nullable=False, server_default=text("'\\x'::bytea")),
    Column("owner", Text, nullable=False),
    Column("leased_until", DateTime(timezone=True), nullable=False),
)
Table(
    "quarantine",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("line", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("again", Boolean, nullable=False, server_default=text("false")),
    Column("problem", LargeBinary, nullable=False),
    Column("key", LargeBinary, nullable=True),
    Column("headers", LargeBinary, nullable=True),
    Column("value", LargeBinary, nullable=True),
    Column("size", BigInteger, nullable=False),
    UniqueConstraint(
        "line", "partition", "place", "digest", name="quarantine_line_partition_place_digest_key"
    ),
)
Table(
    "access",
    METADATA,
    Column("hour", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("district", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first", DateTime(timezone=True), nullable=False),
    Column("last", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint(
        "hour", "kind", "district", "what", "credential", "address", name="access_pkey"
    ),
)
