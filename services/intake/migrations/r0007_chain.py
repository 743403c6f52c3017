"""Each input names its sender, and the inputs of a district form a chain of hashes.

No input makes a district any more: its operator adds it, which begins the chain.

The hash of a row is sha256(hash before ‖ sha256(data) ‖ fields). The fields are a text of lines:
`row`, district, position, time, subject, sequence, type, tracking code, credential, source. The
source is the last one, so that no field can be moved into another. A generation is a link of the
same form, without data: `generation`, district, position before it, number, number before, and
number of the district. The chain begins with the first generation, after an empty hash.

`intake.core.chain` computes the same in Python.
"""

import sqlalchemy as sa
from alembic import op

from eventlog.postgres.migrations.chain_0004 import add_chain, add_head

revision = "intake_0007"
down_revision = "intake_0006"


def upgrade() -> None:
    """Add both. Rows that are there have no sender, and are linked now."""
    add_head("intake")
    add_chain("intake")
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
    for statement in (ROW_LINK, GENERATION_LINK, NEXT_HASH, CHAIN, LINK_GENERATION, LINK_STORED):
        op.execute(statement)
    op.execute("SELECT intake.link_stored(shard) FROM intake.shard ORDER BY shard")
    op.execute("DROP FUNCTION intake.link_stored(text)")
    op.execute("DROP FUNCTION intake.append(text, bigint[], text[], text[], bytea[])")
    op.execute(
        "DROP FUNCTION intake.accept(text, text[], uuid[], uuid[], text[], text[], bigint, bigint)"
    )
    for statement in (LOCKED, ADD_DISTRICT, BEGIN_GENERATION, APPEND, ACCEPT):
        op.execute(statement)


# What a row adds to the chain. Only a row of an identity has a tracking code.
ROW_LINK = r"""
CREATE FUNCTION intake.row_link(
  a_shard text, pos bigint, ts bigint, subject text, seq bigint, type text, data bytea, code uuid,
  source text, credential text)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(data) || convert_to(concat_ws(E'\n',
    'row', a_shard, pos, ts, subject, seq, type, coalesce(code::text, ''), credential, source
  ), 'UTF8')
$$
"""

# What a generation adds.
GENERATION_LINK = r"""
CREATE FUNCTION intake.generation_link(
  a_shard text, start bigint, number bigint, before bigint, district_number integer)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256('') || convert_to(concat_ws(E'\n',
    'generation', a_shard, start, number, before, district_number
  ), 'UTF8')
$$
"""

# `head` is the hash before the first link of an aggregation.
NEXT_HASH = """
CREATE FUNCTION intake.next_hash(hash bytea, head bytea, link bytea)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN sha256(coalesce(hash, head) || link);
END $$
"""

# Over a window in the order of positions: the hash of each row.
CHAIN = """
CREATE AGGREGATE intake.chain(head bytea, link bytea) (sfunc = intake.next_hash, stype = bytea)
"""

# The generation that the shard's row names is the next link of its chain.
LINK_GENERATION = """
CREATE FUNCTION intake.link_generation(a_shard text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO intake.generation (shard, number, before, start)
    SELECT shard, generation, before, start FROM intake.shard WHERE shard = a_shard;
  UPDATE intake.shard s SET head = intake.next_hash(
    NULL, head, intake.generation_link(a_shard, s.start, s.generation, s.before, d.number)
  ) FROM intake.district d WHERE s.shard = a_shard AND d.shard = a_shard;
$$
"""

# Rows from before this migration, of which one generation is known.
LINK_STORED = """
CREATE FUNCTION intake.link_stored(a_shard text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  begun bigint := (SELECT start FROM intake.shard s WHERE s.shard = a_shard);
  is_after boolean;
BEGIN
  FOREACH is_after IN ARRAY ARRAY[false, true] LOOP
    WITH linked AS (
      SELECT l.pos, intake.chain(s.head, intake.row_link(
        a_shard, l.pos, l.ts, l.subject, l.seq, l.type, l.data, i.code, l.source, l.credential
      )) OVER (ORDER BY l.pos ROWS UNBOUNDED PRECEDING) AS hash
      FROM intake.shard s JOIN intake.log l USING (shard)
        LEFT JOIN intake.identity i ON i.shard = l.shard AND i.pos = l.pos
      WHERE s.shard = a_shard AND (l.pos > begun) = is_after
    ), hashed AS (
      UPDATE intake.log l SET hash = linked.hash
      FROM linked WHERE l.shard = a_shard AND l.pos = linked.pos
    )
    UPDATE intake.shard s SET head = last.hash
    FROM (SELECT hash FROM linked ORDER BY pos DESC LIMIT 1) last WHERE s.shard = a_shard;
    IF NOT is_after THEN
      PERFORM intake.link_generation(a_shard);
    END IF;
  END LOOP;
END $$
"""

# The shard's row, locked; from here on nobody else writes to its log. Raises GC002 for a district
# that was never added.
LOCKED = """
CREATE OR REPLACE FUNCTION intake.locked(a_shard text) RETURNS intake.shard LANGUAGE plpgsql AS $$
DECLARE found_row intake.shard;
BEGIN
  SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'GC002', MESSAGE = a_shard;
  END IF;
  RETURN found_row;
END $$
"""

# A new district is entered at the end of the list, one at a time: its number is its partition. Its
# first generation begins its chain. Return false if it is there already.
ADD_DISTRICT = """
CREATE FUNCTION intake.add_district(a_shard text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE intake.district IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO intake.district SELECT count(*), a_shard FROM intake.district
    ON CONFLICT (shard) DO NOTHING;
  INSERT INTO intake.shard (shard) VALUES (a_shard) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM intake.link_generation(a_shard);
  RETURN true;
END $$
"""

# Another database goes on with this log: restored, promoted or exchanged. Time does not go back
# behind what any reader may know.
BEGIN_GENERATION = """
CREATE FUNCTION intake.begin_generation(a_shard text, newest bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE intake.shard s SET before = generation, start = pos, ts = greatest(ts, newest),
    generation = greatest(
      generation + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    )
  WHERE s.shard = a_shard;
  PERFORM intake.link_generation(a_shard);
END $$
"""

# As it was made first; all items have one sender. To feed a log makes its district, in a database
# of one's own. What is sent, and what an operator adopts, makes none.
APPEND = """
CREATE FUNCTION intake.append(
  a_shard text, ats bigint[], subjects text[], types text[], datas bytea[],
  a_source text, a_credential text)
RETURNS TABLE (pos bigint, ts bigint, seq integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  old intake.shard;
  now bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM intake.shard s WHERE s.shard = a_shard) THEN
    PERFORM intake.add_district(a_shard);
  END IF;
  old := intake.locked(a_shard);
  now := intake.clock();
  RETURN QUERY
  WITH item AS (
    SELECT i, old.pos + i AS pos, subject, type, data,
      greatest(old.ts, max(coalesce(at, now)) OVER (ORDER BY i)) AS ts,
      count(*) FILTER (WHERE subject = 'reference') OVER (ORDER BY i) AS adopted
    FROM unnest(ats, subjects, types, datas) WITH ORDINALITY AS item (at, subject, type, data, i)
  ), numbered AS (
    SELECT *, CASE subject WHEN 'reference' THEN old.adopted + adopted ELSE 1 END AS seq FROM item
  ), linked AS (
    SELECT *, intake.chain(old.head, intake.row_link(
      a_shard, pos, ts, subject, seq, type, data, NULL, a_source, a_credential
    )) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING) AS hash
    FROM numbered
  ), moved AS (
    UPDATE intake.shard s SET pos = last.pos, ts = last.ts, adopted = old.adopted + last.adopted,
      head = last.hash
    FROM (SELECT pos, ts, adopted, hash FROM linked ORDER BY i DESC LIMIT 1) last
    WHERE s.shard = a_shard
  ), written AS (
    INSERT INTO intake.log AS l
      (shard, pos, ts, input, n, subject, seq, cause, type, data, source, credential, hash)
    SELECT a_shard, pos, ts, 0, 1, subject, seq, '', type, data, a_source, a_credential, hash
    FROM linked ORDER BY i
    RETURNING l.pos, l.ts, l.seq
  )
  SELECT pos, ts, seq FROM written ORDER BY pos;
  PERFORM pg_notify('gridcall', 'intake/' || a_shard);
END $$
"""

# As it was made before; each item has its own sender.
ACCEPT = """
CREATE FUNCTION intake.accept(
  a_shard text, ids text[], contents uuid[], codes uuid[], types text[], datas text[],
  sources text[], credentials text[], now_us bigint, ahead_us_max bigint)
RETURNS TABLE (id uuid, pos bigint, ts bigint, code uuid, content uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  old intake.shard := intake.locked(a_shard);
  names uuid[] := ids::uuid[];
  now bigint;
BEGIN
  PERFORM intake.check_clock(now_us, ahead_us_max);
  PERFORM intake.check_time(a_shard, old.ts, ahead_us_max);
  now := greatest(old.ts, intake.clock());
  RETURN QUERY
  WITH known AS (
    SELECT k.id, k.pos, k.ts, k.code, k.content FROM intake.identity k WHERE k.id = ANY (names)
  ), fresh AS (
    SELECT *, convert_to(body, 'UTF8') AS data, old.pos + row_number() OVER (ORDER BY i) AS pos
    FROM unnest(names, ids, contents, codes, types, datas, sources, credentials)
      WITH ORDINALITY AS item (id, subject, content, code, type, body, source, credential, i)
    WHERE NOT EXISTS (SELECT FROM known WHERE known.id = item.id)
  ), linked AS (
    SELECT *, intake.chain(old.head, intake.row_link(
      a_shard, pos, now, subject, 1, type, data, code, source, credential
    )) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING) AS hash
    FROM fresh
  ), moved AS (
    UPDATE intake.shard s SET pos = last.pos, ts = now, head = last.hash
    FROM (SELECT pos, hash FROM linked ORDER BY i DESC LIMIT 1) last
    WHERE s.shard = a_shard
    RETURNING s.ts, pg_notify('gridcall', 'intake/' || a_shard)
  ), written AS (
    INSERT INTO intake.log
      (shard, pos, ts, input, n, subject, seq, cause, type, data, source, credential, hash)
    SELECT a_shard, linked.pos, moved.ts, 0, 1, subject, 1, '', type, data, source, credential, hash
    FROM linked, moved ORDER BY i
  ), remembered AS (
    INSERT INTO intake.identity (id, shard, pos, ts, content, code)
    SELECT id, a_shard, linked.pos, moved.ts, content, code FROM linked, moved ORDER BY id
  )
  SELECT * FROM known UNION ALL SELECT NULL, old.pos + 1, moved.ts, NULL, NULL FROM moved;
END $$
"""
