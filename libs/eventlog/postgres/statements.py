"""The SQL of a log: `{schema}` is its service's schema and `{log}` its name.

COMMIT and ANNOUNCE are for one call or for several, each with its own fence. They return a row for
each shard that they judged, and a second one for each that moved. In a statement of several,
`{lock}` leaves out a shard that another transaction holds. So no call waits for the shard of
another one, and two statements never wait for each other. `{trace}` is a column more while traces
are on.
"""

from __future__ import annotations

READ = """
SELECT pos, ts, input, n, subject, seq, cause, type, data{trace}
FROM {schema}.log WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3
"""
# Rows of several shards; `call` is the number of the call that reads them, from 1.
READ_SHARED = """
SELECT call, row.*
FROM unnest($1::text[], $2::bigint[], $3::int[]) WITH ORDINALITY AS each (name, after, rows, call),
LATERAL (
  SELECT pos, ts, input, n, subject, seq, cause, type, data{trace}
  FROM {schema}.log WHERE shard = name AND pos > after ORDER BY pos LIMIT rows
) row
"""
# With the condition of the index `log_late`, so that Postgres may use it.
LATE = """
SELECT pos, ts, input, n, subject, seq, cause, type, data
FROM {schema}.log WHERE shard = $1 AND cause = $2
  AND (cause LIKE 'clock/%/expiry/%' OR cause NOT LIKE 'clock/%'
    AND substr(cause, strpos(cause, '/')) <> '/' || shard || '/' || input)
ORDER BY pos
"""
COMMIT = """
WITH call AS (
  SELECT s.shard, i, call.epoch, call.pos, count, call.input, watermark, time
  FROM unnest(
    $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]
  ) WITH ORDINALITY AS call (name, epoch, pos, count, input, watermark, time, i)
  JOIN {schema}.shard s ON s.shard = call.name {lock}
), fence AS (
  UPDATE {schema}.shard s SET pos = call.pos + count, ts = greatest(s.ts, watermark),
    input = call.input, folded = call.pos + count,
    leased_until = clock_timestamp() + make_interval(secs => $1)
  FROM call
  WHERE s.shard = call.shard AND s.epoch = call.epoch AND s.pos = call.pos AND s.ts <= time
  RETURNING s.shard, i, call.pos
), written AS (
  INSERT INTO {schema}.log (shard, pos, ts, input, n, subject, seq, cause, type, data{trace})
  SELECT shard, pos + row.i, ts, input, n, subject, seq, coalesce(cause, ''), type,
    convert_to(data, 'UTF8'){trace_value}
  FROM fence, unnest(
    ($9::text[])[fence.i]::bigint[], ($10::text[])[fence.i]::bigint[],
    ($11::text[])[fence.i]::int[], ($12::text[])[fence.i]::int[],
    string_to_array(($13::text[])[fence.i], E'\\n'),
    string_to_array(($14::text[])[fence.i], E'\\n'),
    string_to_array(($15::text[])[fence.i], E'\\n'),
    string_to_array(($16::text[])[fence.i], E'\\n'){trace_lines}
  ) WITH ORDINALITY AS row (ts, input, n, seq, subject, cause, type, data{trace}, i)
)
SELECT shard, false AS moved, NULL AS notified FROM call
UNION ALL
SELECT shard, true, pg_notify('gridcall', '{log}/' || shard)::text FROM fence
"""
ANNOUNCE = """
WITH call AS (
  SELECT s.shard, call.epoch, call.pos, watermark, applied
  FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS call (name, epoch, pos, watermark, applied)
  JOIN {schema}.shard s ON s.shard = call.name {lock}
), moved AS (
  UPDATE {schema}.shard s SET ts = greatest(s.ts, watermark), input = greatest(s.input, applied),
    leased_until = CASE WHEN s.epoch > 0
      THEN clock_timestamp() + make_interval(secs => $1)
      ELSE s.leased_until END
  FROM call WHERE s.shard = call.shard AND s.epoch = call.epoch AND s.pos = call.pos
  RETURNING s.shard, s.pos, s.ts
)
SELECT shard, NULL AS pos, NULL AS ts, NULL AS notified FROM call
UNION ALL
SELECT shard, pos, ts, pg_notify('gridcall', '{log}/' || shard)::text FROM moved
"""
APPEND = r"""
SELECT * FROM {schema}.append($1, $2::text::bigint[],
  string_to_array($3, E'\n'), string_to_array($4, E'\n'),
  ARRAY(
    SELECT convert_to(data, 'UTF8')
    FROM unnest(string_to_array($5, E'\n')) WITH ORDINALITY AS item (data, i) ORDER BY i
  ), $6, $7)
"""
HEAD = """
SELECT shard, epoch, owner, pos, ts, input, generation, before, start, head
FROM {schema}.shard WHERE shard = ANY ($1::text[])
"""
SHARDS = """
SELECT shard FROM {schema}.shard WHERE pos > 0 OR input > 0 UNION SELECT shard FROM {schema}.log
"""
FOLLOW = """
UPDATE {schema}.shard SET generation = $3,
  before = CASE generation WHEN 0 THEN 0 ELSE generation END,
  start = CASE generation WHEN 0 THEN 0 ELSE pos END
WHERE shard = $1 AND epoch = $2 AND generation <> $3
  AND (generation = 0 OR (generation = $4 AND input <= $5))
"""
MAKE = "INSERT INTO {schema}.shard (shard) VALUES ($1) ON CONFLICT DO NOTHING"
# An epoch is an instant, so that a database that was restored gives none a second time.
LEASE = """
UPDATE {schema}.shard SET owner = $2, folded = 0,
  epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
  leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND (owner = $2 OR leased_until < clock_timestamp())
RETURNING epoch, pos, ts, input
"""
RENEW = """
UPDATE {schema}.shard SET leased_until = clock_timestamp() + make_interval(secs => $3),
  folded = greatest(folded, $4)
WHERE shard = $1 AND epoch = $2 RETURNING epoch
"""
# A lease that was released is not renewed: its end may overtake a renewal.
RENEW_ALL = """
WITH call AS (
  SELECT s.shard, call.epoch FROM unnest($2::text[], $3::bigint[]) AS call (name, epoch)
  JOIN {schema}.shard s ON s.shard = call.name {lock}
)
UPDATE {schema}.shard s SET leased_until = clock_timestamp() + make_interval(secs => $1)
FROM call WHERE s.shard = call.shard AND s.epoch = call.epoch AND leased_until > '-infinity'
RETURNING s.shard
"""
RELEASE = """
UPDATE {schema}.shard SET leased_until = '-infinity' WHERE shard = $1 AND epoch = $2
"""
# The columns of a log in which contexts of traces are read and written; without traces none is.
WITHOUT_TRACES = {"trace": "", "trace_value": "", "trace_lines": ""}
WITH_TRACES = {
    "trace": ", trace",
    "trace_value": ", coalesce(trace, '')",
    "trace_lines": ", string_to_array(($17::text[])[fence.i], E'\\n')",
}
LOCK = "ORDER BY s.shard FOR UPDATE OF s SKIP LOCKED"
STATEMENTS = (
    READ,
    READ_SHARED,
    LATE,
    COMMIT,
    ANNOUNCE,
    APPEND,
    HEAD,
    FOLLOW,
    MAKE,
    LEASE,
    RENEW,
    RENEW_ALL,
    RELEASE,
)
