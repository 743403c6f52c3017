"""The SQL of a log: `{schema}` is its service's schema and `{log}` its name."""

from __future__ import annotations

READ = """
SELECT pos, ts, input, n, subject, seq, cause, type, data
FROM {schema}.log WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3
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
WITH fence AS (
  UPDATE {schema}.shard SET pos = $3 + $6, ts = greatest(ts, $5), input = $4, folded = $3 + $6,
    leased_until = clock_timestamp() + make_interval(secs => $7)
  WHERE shard = $1 AND epoch = $2 AND pos = $3 AND ts <= $8 RETURNING pos
), written AS (
  INSERT INTO {schema}.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
  SELECT $1, $3 + i, row.ts, row.input, n, subject, seq, coalesce(cause, ''), type,
    convert_to(data, 'UTF8')
  FROM fence, unnest(
    $9::text::bigint[], $10::text::bigint[], $11::text::int[], $12::text::int[],
    string_to_array($13, E'\\n'), string_to_array($14, E'\\n'),
    string_to_array($15, E'\\n'), string_to_array($16, E'\\n')
  ) WITH ORDINALITY AS row (ts, input, n, seq, subject, cause, type, data, i)
)
SELECT pos, pg_notify('gridcall', '{log}/' || $1) FROM fence
"""
ANNOUNCE = """
WITH moved AS (
  UPDATE {schema}.shard SET ts = greatest(ts, $4), input = greatest(input, $5),
    leased_until = CASE WHEN epoch > 0
      THEN clock_timestamp() + make_interval(secs => $6)
      ELSE leased_until END
  WHERE shard = $1 AND epoch = $2 AND pos = $3 RETURNING pos, ts
)
SELECT pos, ts, pg_notify('gridcall', '{log}/' || $1) FROM moved
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
SELECT epoch, owner, pos, ts, input, generation, before, start, head
FROM {schema}.shard WHERE shard = $1
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
LEASE = """
UPDATE {schema}.shard SET epoch = epoch + 1, owner = $2, folded = 0,
  leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND (owner = $2 OR leased_until < clock_timestamp())
RETURNING epoch, pos, ts, input
"""
RENEW = """
UPDATE {schema}.shard SET leased_until = clock_timestamp() + make_interval(secs => $3),
  folded = greatest(folded, $4)
WHERE shard = $1 AND epoch = $2 RETURNING epoch
"""
RELEASE = """
UPDATE {schema}.shard SET leased_until = '-infinity' WHERE shard = $1 AND epoch = $2
"""
STATEMENTS = (READ, LATE, COMMIT, ANNOUNCE, APPEND, HEAD, FOLLOW, MAKE, LEASE, RENEW, RELEASE)
