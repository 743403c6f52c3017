"""Intake's tables beside its log: contents by digest, identities and their tracking codes (never dropped), keys."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from events.schema import metadata_of

METADATA = metadata_of("intake")

Table("content", METADATA, Column("digest", Text, primary_key=True), Column("body", LargeBinary, nullable=False))
Table(
    "identity",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("shard", Text, nullable=False),
    Column("pos", BigInteger, nullable=False),
    Column("ts", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("code", Text, nullable=False),
    UniqueConstraint("code", name="identity_code_key"),
)
Table(
    "key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("district", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("lines", ARRAY(Text), nullable=False),
    Column("made", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("revoked", DateTime(timezone=True), nullable=True),
    UniqueConstraint("hash", name="key_hash_key"),
)
Table(
    "confirmed_clock",
    METADATA,
    Column("ahead_us", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
Table(
    "district",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("shard", Text, nullable=False),
    UniqueConstraint("shard", name="district_shard_key"),
)
