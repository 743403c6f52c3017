"""Intake's log and shards, its tables beside them, and the one function by which it accepts."""

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.migrations.log_0001 import create_log

revision = "intake_0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    create_log("intake")
    op.create_table(
        "content",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        schema="intake",
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("shard", sa.Text, nullable=False),
        sa.Column("pos", sa.BigInteger, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.UniqueConstraint("code", name="identity_code_key"),
        schema="intake",
    )
    op.create_table(
        "key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("district", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("lines", sa.ARRAY(sa.Text), nullable=False),
        sa.Column(
            "made",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("hash", name="key_hash_key"),
        schema="intake",
    )
    op.create_table(
        "confirmed_clock",
        sa.Column("ahead_us", sa.BigInteger, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        schema="intake",
    )
    op.execute(CLOCK)
    op.execute(LOCKED)
    op.execute(APPEND)
    op.execute(LEAPT)
    op.execute(TICK)
    op.execute(ACCEPT)


# The only place where a time enters gridcall. A demo or a test replaces this function.
CLOCK = """
CREATE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$
"""

# The shard's row, locked and made if it is not there; from here on nobody else writes to its log.
LOCKED = """
CREATE FUNCTION intake.locked(a_shard text) RETURNS intake.shard LANGUAGE plpgsql AS $$
DECLARE found_row intake.shard;
BEGIN
  SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO intake.shard (shard) VALUES (a_shard) ON CONFLICT DO NOTHING;
    SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  END IF;
  RETURN found_row;
END $$
"""

# Positions and times are given here, together, under the lock. An item without a time of its own
# takes the clock's.
APPEND = """
CREATE FUNCTION intake.append(
  a_shard text, ats bigint[], subjects text[], types text[], datas bytea[])
RETURNS TABLE (pos bigint, ts bigint, seq integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  old intake.shard := intake.locked(a_shard);
  now bigint := intake.clock();
BEGIN
  RETURN QUERY
  WITH item AS (
    SELECT i, subject, type, data,
      greatest(old.ts, max(coalesce(at, now)) OVER (ORDER BY i)) AS at,
      count(*) FILTER (WHERE subject = 'reference') OVER (ORDER BY i) AS adopted
    FROM unnest(ats, subjects, types, datas) WITH ORDINALITY AS item (at, subject, type, data, i)
  ), moved AS (
    UPDATE intake.shard s SET
      pos = old.pos + cardinality(subjects),
      ts = greatest(old.ts, (SELECT max(at) FROM item)),
      adopted = old.adopted + (SELECT coalesce(max(adopted), 0) FROM item)
    WHERE s.shard = a_shard
  ), written AS (
    INSERT INTO intake.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
    SELECT a_shard, old.pos + i, at, 0, 1, subject,
      CASE subject WHEN 'reference' THEN old.adopted + adopted ELSE 1 END, '', type, data
    FROM item ORDER BY i
    RETURNING pos, ts, seq
  )
  SELECT pos, ts, seq FROM written ORDER BY pos;
  PERFORM pg_notify('gridcall', 'intake/' || a_shard);
END $$
"""

# Raises GC001 if the clock is ahead of the asking replica's by more than it may, unless an operator
# has confirmed that.
LEAPT = """
CREATE FUNCTION intake.check_clock(now_us bigint, ahead_us_max bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE ahead bigint := intake.clock() - now_us;
BEGIN
  IF ahead > ahead_us_max AND NOT EXISTS (
    SELECT FROM intake.confirmed_clock c WHERE abs(c.ahead_us - ahead) <= ahead_us_max
  ) THEN
    RAISE EXCEPTION USING ERRCODE = 'GC001', MESSAGE = ahead::text;
  END IF;
END $$
"""

# Let time pass in shards where nothing came in for a while. A busy one has its time from what it
# accepts.
TICK = """
CREATE FUNCTION intake.tick(idle_us bigint, now_us bigint, ahead_us_max bigint)
RETURNS TABLE (shard text, pos bigint, ts bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE now bigint;
BEGIN
  PERFORM intake.check_clock(now_us, ahead_us_max);
  now := intake.clock();
  RETURN QUERY
  WITH idle AS (
    SELECT s.shard FROM intake.shard s WHERE s.ts < now - idle_us
    ORDER BY s.shard FOR UPDATE SKIP LOCKED
  ), moved AS (
    UPDATE intake.shard s SET ts = greatest(s.ts, intake.clock())
    FROM idle WHERE s.shard = idle.shard
    RETURNING s.shard, s.pos, s.ts
  )
  SELECT moved.* FROM moved, LATERAL pg_notify('gridcall', 'intake/' || moved.shard);
END $$
"""

# Accept what is new, answer what is known: one round trip, one shard. The lock comes first, so that
# no transaction waits for another while it holds anything. `ahead_us_max` is how far the clock may
# be ahead of the asking replica's, which is `now_us`.
ACCEPT = """
CREATE FUNCTION intake.accept(
  a_shard text, ids text[], contents bytea[], codes text[], types text[], datas bytea[],
  now_us bigint, ahead_us_max bigint)
RETURNS TABLE (id text, pos bigint, ts bigint, code text, content bytea, fresh boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM intake.locked(a_shard);
  PERFORM intake.check_clock(now_us, ahead_us_max);
  RETURN QUERY
  WITH item AS (
    SELECT * FROM unnest(ids, contents, codes, types, datas)
    WITH ORDINALITY AS item (id, content, code, type, data, i)
  ), known AS (
    SELECT k.id, k.pos, k.ts, k.code, k.content FROM intake.identity k WHERE k.id = ANY (ids)
  ), fresh AS (
    SELECT *, row_number() OVER (ORDER BY i) AS number FROM item
    WHERE NOT EXISTS (SELECT FROM known WHERE known.id = item.id)
  ), appended AS (
    SELECT a.*, row_number() OVER (ORDER BY a.pos) AS number FROM (
      SELECT array_agg(NULL::bigint) AS ats, array_agg(id ORDER BY i) AS ids,
        array_agg(type ORDER BY i) AS types, array_agg(data ORDER BY i) AS datas
      FROM fresh
    ) f, LATERAL intake.append(a_shard, f.ats, f.ids, f.types, f.datas) a WHERE f.ids IS NOT NULL
  ), remembered AS (
    INSERT INTO intake.identity AS k (id, shard, pos, ts, content, code)
    SELECT fresh.id, a_shard, appended.pos, appended.ts, fresh.content, fresh.code
    FROM fresh JOIN appended USING (number) ORDER BY fresh.id
    RETURNING k.id, k.pos, k.ts, k.code, k.content
  )
  SELECT *, false FROM known UNION ALL SELECT *, true FROM remembered;
END $$
"""
