"""A district is added by its operator. No input and no key makes one by a typing error."""

from alembic import op

revision = "intake_0009"
down_revision = "intake_0008"


def upgrade() -> None:
    """Districts that are there remain. A key of an unknown one remains, and opens nothing."""
    for statement in (LOCKED, ADD_DISTRICT, APPEND):
        op.execute(statement)
    op.execute(
        "ALTER TABLE intake.key ADD CONSTRAINT key_district_fkey"
        " FOREIGN KEY (district) REFERENCES intake.district (shard) NOT VALID"
    )


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

# As it was made before. To feed a log makes its district: `simulate` does that in a database of its
# own. What is sent, and what an operator adopts, makes none.
APPEND = """
CREATE OR REPLACE FUNCTION intake.append(
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
