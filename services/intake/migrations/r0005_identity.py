"""Identities, tracking codes and digests of contents become 16 bytes instead of 32 hex digits.

Accepting becomes one statement, for which Postgres needs half of the time.
"""

from alembic import op

revision = "intake_0005"
down_revision = "intake_0004"


def upgrade() -> None:
    """Convert what is there, which makes the indexes again under their names."""
    op.execute(
        "DROP FUNCTION"
        " intake.accept(text, text[], bytea[], text[], text[], bytea[], bigint, bigint)"
    )
    op.execute("""
        ALTER TABLE intake.identity ALTER id TYPE uuid USING id::uuid,
          ALTER code TYPE uuid USING code::uuid,
          ALTER content TYPE uuid USING encode(content, 'hex')::uuid
    """)
    op.execute(ACCEPT)


# As it was made first, and `datas` are JSON, of which a log stores the UTF-8. The result is what
# the client cannot know: of each known identity its position, code and content. For all new ones
# it is one row without an id, with the first position and their time.
ACCEPT = """
CREATE FUNCTION intake.accept(
  a_shard text, ids text[], contents uuid[], codes uuid[], types text[], datas text[],
  now_us bigint, ahead_us_max bigint)
RETURNS TABLE (id uuid, pos bigint, ts bigint, code uuid, content uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  old intake.shard := intake.locked(a_shard);
  names uuid[] := ids::uuid[];
BEGIN
  PERFORM intake.check_clock(now_us, ahead_us_max);
  RETURN QUERY
  WITH known AS (
    SELECT k.id, k.pos, k.ts, k.code, k.content FROM intake.identity k WHERE k.id = ANY (names)
  ), fresh AS (
    SELECT *, old.pos + row_number() OVER (ORDER BY i) AS pos
    FROM unnest(names, ids, contents, codes, types, datas)
      WITH ORDINALITY AS item (id, subject, content, code, type, data, i)
    WHERE NOT EXISTS (SELECT FROM known WHERE known.id = item.id)
  ), moved AS (
    UPDATE intake.shard s SET pos = old.pos + (SELECT count(*) FROM fresh),
      ts = greatest(old.ts, intake.clock())
    WHERE s.shard = a_shard AND EXISTS (SELECT FROM fresh)
    RETURNING s.ts, pg_notify('gridcall', 'intake/' || a_shard)
  ), written AS (
    INSERT INTO intake.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
    SELECT a_shard, fresh.pos, moved.ts, 0, 1, subject, 1, '', type, convert_to(data, 'UTF8')
    FROM fresh, moved ORDER BY i
  ), remembered AS (
    INSERT INTO intake.identity (id, shard, pos, ts, content, code)
    SELECT id, a_shard, fresh.pos, moved.ts, content, code FROM fresh, moved ORDER BY id
  )
  SELECT * FROM known UNION ALL SELECT NULL, old.pos + 1, moved.ts, NULL, NULL FROM moved;
END $$
"""
