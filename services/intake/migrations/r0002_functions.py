"""Intake's functions: its clock, its chain of hashes, and the one statement by which it accepts.

The hash of a row is sha256(hash before ‖ sha256(data) ‖ fields). The fields are a text of lines:
`row`, district, position, time, subject, sequence, type, content of its identity, credential,
source. The source is the last one, so that no field can be moved into another.

A generation is a link of the same form, without data. Its fields are `generation`, district,
position before it, number, number before, number of the district, and digest of the tracking key.
The chain begins with the first generation, after an empty hash.

`intake.core.chain` computes the same in Python.
"""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"


def upgrade() -> None:
    """Make them."""
    for statement in (
        CLOCK,
        CHECK_CLOCK,
        CHECK_TIME,
        IN_FORCE,
        ROW_LINK,
        GENERATION_LINK,
        NEXT_HASH,
        CHAIN,
        LINK_GENERATION,
        ADD_DISTRICT,
        BEGIN_GENERATION,
        LOCKED,
        CHECK_DISTRICTS,
        APPEND,
        TICK,
        ACCEPT,
    ):
        op.execute(statement)


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────

# The only place where a time enters gridcall. A demo or a test replaces this function.
CLOCK = """
CREATE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$
"""

# Raises GC001 if the clock is ahead of the asking replica's by more than it may, unless an operator
# has confirmed that.
CHECK_CLOCK = """
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

# Raises GC003 if the time of a district is too far ahead of the clock, and not held: its
# clock leapt and was put back. Times that are given now would be wrong by as much.
CHECK_TIME = """
CREATE FUNCTION intake.check_time(a_shard text, a_time bigint, ahead_us_max bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE ahead bigint := a_time - intake.clock();
BEGIN
  IF ahead > ahead_us_max AND NOT EXISTS (
    SELECT FROM intake.hold h WHERE h.shard = a_shard AND h.until >= a_time
  ) THEN
    RAISE EXCEPTION USING ERRCODE = 'GC003', MESSAGE = ahead::text;
  END IF;
END $$
"""

# Of an API key, by the clock of the wall, which is not that of a demo's district.
IN_FORCE = """
CREATE FUNCTION intake.in_force(revoked timestamptz, expires timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
  SELECT revoked IS NULL AND (expires IS NULL OR expires > clock_timestamp())
$$
"""

# ── The chain ────────────────────────────────────────────────────────────────────────────────────

# What a row adds to the chain. Only a row of an identity has the digest of its content there.
ROW_LINK = r"""
CREATE FUNCTION intake.row_link(
  a_shard text, pos bigint, ts bigint, subject text, seq bigint, type text, data bytea,
  content uuid, source text, credential text)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(data) || convert_to(concat_ws(E'\n',
    'row', a_shard, pos, ts, subject, seq, type, coalesce(content::text, ''), credential, source
  ), 'UTF8')
$$
"""

# What a generation adds.
GENERATION_LINK = r"""
CREATE FUNCTION intake.generation_link(
  a_shard text, start bigint, number bigint, before bigint, district_number integer,
  tracking_key bytea)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256('') || convert_to(concat_ws(E'\n',
    'generation', a_shard, start, number, before, district_number, encode(tracking_key, 'hex')
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
  UPDATE intake.shard s SET head = intake.next_hash(NULL, head, intake.generation_link(
    a_shard, s.start, s.generation, s.before, d.number, d.tracking_key
  )) FROM intake.district d WHERE s.shard = a_shard AND d.shard = a_shard;
$$
"""

# ── Districts ────────────────────────────────────────────────────────────────────────────────────

# A new district is entered at the end of the list, one at a time: its number is its partition. It
# remembers the digest of the key of its tracking codes; GC004 if that is missing. Its first
# generation begins its chain. Return false if it is there already.
ADD_DISTRICT = """
CREATE FUNCTION intake.add_district(a_shard text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE intake.district IN SHARE ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM intake.tracking_key) THEN
    RAISE EXCEPTION USING ERRCODE = 'GC004', MESSAGE = a_shard;
  END IF;
  INSERT INTO intake.district
    SELECT (SELECT count(*) FROM intake.district), a_shard, sha256(k.key) FROM intake.tracking_key k
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

# The shard's row, locked; from here on nobody else writes to its log. Raises GC002 for a district
# that was never added.
LOCKED = """
CREATE FUNCTION intake.locked(a_shard text) RETURNS intake.shard LANGUAGE plpgsql AS $$
DECLARE found_row intake.shard;
BEGIN
  SELECT * INTO found_row FROM intake.shard s WHERE s.shard = a_shard FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'GC002', MESSAGE = a_shard;
  END IF;
  RETURN found_row;
END $$
"""

# Raises GC002 for a district that was never added.
CHECK_DISTRICTS = """
CREATE FUNCTION intake.check_districts(named text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE unknown text;
BEGIN
  SELECT a_shard INTO unknown FROM unnest(named) a_shard
    WHERE NOT EXISTS (SELECT FROM intake.shard s WHERE s.shard = a_shard) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'GC002', MESSAGE = unknown;
  END IF;
END $$
"""

# ── Inputs ───────────────────────────────────────────────────────────────────────────────────────

# Positions and times are given here, together, under the lock. An item without a time of its own
# takes the clock's. All items have one sender. To feed a log makes its district, in a database of
# one's own. What is sent, and what an operator adopts, makes none.
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

# Let time pass in shards where nothing came in for a while: in all of them, or in those that are
# named. A busy one has its time from what it accepts.
TICK = """
CREATE FUNCTION intake.tick(
  districts text[], idle_us bigint, now_us bigint, ahead_us_max bigint)
RETURNS TABLE (shard text, pos bigint, ts bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE now bigint;
BEGIN
  PERFORM intake.check_clock(now_us, ahead_us_max);
  now := intake.clock();
  RETURN QUERY
  WITH idle AS (
    SELECT s.shard FROM intake.shard s
    WHERE s.ts < now - idle_us AND (districts IS NULL OR s.shard = ANY (districts))
    ORDER BY s.shard FOR UPDATE SKIP LOCKED
  ), moved AS (
    UPDATE intake.shard s SET ts = greatest(s.ts, intake.clock())
    FROM idle WHERE s.shard = idle.shard
    RETURNING s.shard, s.pos, s.ts
  )
  SELECT moved.* FROM moved, LATERAL pg_notify('gridcall', 'intake/' || moved.shard);
END $$
"""

# Accept what is new, answer what is known, in one round trip. `places` has the number of each
# item's district in the list. The locks come first, so that no transaction waits for another while
# it holds anything. Of several districts, one that another transaction holds is left out, so that
# it delays no other. One alone waits. `ahead_us_max` is how far the clock may be ahead of the
# asking replica's, which is `now_us`. `datas` are JSON, of which a log stores the UTF-8. `traces`
# may be NULL, if no item has one. Raises
# GC004 unless the tracking key is the one of the districts.
#
# The result is what the client cannot know. It is a row for each known identity, with its position,
# time and content. A row more for each district has no id: it has the position and time of the
# first new one, and the key from which all tracking codes follow. A district that was left out has
# no row.
ACCEPT = """
CREATE FUNCTION intake.accept(
  districts text[], places integer[], ids text[], contents uuid[], types text[], datas text[],
  sources text[], credentials text[], traces text[], now_us bigint, ahead_us_max bigint)
RETURNS TABLE (shard text, id uuid, pos bigint, ts bigint, content uuid, key bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  names uuid[] := ids::uuid[];
  locked intake.shard[];
  each intake.shard;
  tracking_key bytea;
BEGIN
  IF cardinality(districts) = 1 THEN
    locked := ARRAY[intake.locked(districts[1])];
  ELSE
    PERFORM intake.check_districts(districts);
    locked := ARRAY(
      SELECT s FROM intake.shard s WHERE s.shard = ANY (districts) FOR UPDATE SKIP LOCKED
    );
  END IF;
  PERFORM intake.check_clock(now_us, ahead_us_max);
  FOREACH each IN ARRAY locked LOOP
    PERFORM intake.check_time(each.shard, each.ts, ahead_us_max);
  END LOOP;
  SELECT k.key INTO tracking_key FROM intake.tracking_key k WHERE (
    SELECT bool_and(d.tracking_key = sha256(k.key)) FROM intake.district d
    WHERE d.shard = ANY (districts)
  );
  IF tracking_key IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'GC004', MESSAGE = array_to_string(districts, ', ');
  END IF;
  RETURN QUERY
  WITH old AS MATERIALIZED (
    SELECT old.shard, array_position(districts, old.shard) AS place, old.pos, old.head,
      greatest(old.ts, intake.clock()) AS now
    FROM unnest(locked) old
  ), known AS (
    SELECT k.shard, k.id, k.pos, k.ts, k.content FROM intake.identity k WHERE k.id = ANY (names)
  ), fresh AS (
    SELECT item.*, convert_to(body, 'UTF8') AS data, old.shard, old.head, old.now,
      old.pos + row_number() OVER in_district AS pos, lead(i) OVER in_district IS NULL AS is_last
    FROM unnest(places, names, ids, contents, types, datas, sources, credentials, traces)
      WITH ORDINALITY AS item
        (place, id, subject, content, type, body, source, credential, trace, i)
      JOIN old USING (place)
    WHERE NOT EXISTS (SELECT FROM known WHERE known.id = item.id)
    WINDOW in_district AS (PARTITION BY place ORDER BY i)
  ), linked AS (
    SELECT *, intake.chain(head, intake.row_link(
      shard, pos, now, subject, 1, type, data, content, source, credential
    )) OVER (PARTITION BY place ORDER BY i ROWS UNBOUNDED PRECEDING) AS hash
    FROM fresh
  ), moved AS (
    UPDATE intake.shard s SET pos = linked.pos, ts = linked.now, head = linked.hash
    FROM linked WHERE s.shard = linked.shard AND is_last
    RETURNING pg_notify('gridcall', 'intake/' || s.shard)
  ), written AS (
    INSERT INTO intake.log
      (shard, pos, ts, input, n, subject, seq, cause, type, data, source, credential, hash, trace)
    SELECT shard, pos, now, 0, 1, subject, 1, '', type, data, source, credential, hash,
      coalesce(trace, '')
    FROM linked ORDER BY place, i
  ), remembered AS (
    INSERT INTO intake.identity (id, shard, pos, ts, content)
    SELECT id, shard, pos, now, content FROM linked ORDER BY id
  )
  SELECT known.*, NULL::bytea FROM known JOIN old USING (shard)
  UNION ALL
  SELECT shard, NULL, old.pos + 1, now, NULL, tracking_key FROM old;
END $$
"""
