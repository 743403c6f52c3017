"""What is asked of the tables of all services: how far they are, and what is open."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from eventlog.codec import data_decoder
from eventlog.postgres.pool import Database
from events.instants import rfc3339
from events.topology import WRITER

STANDS = {
    "case-routed": "routed", "case-queued": "queued", "case-withheld": "routed", "case-visited": "visited",
    "resolution-rejected": "visited", "case-resolved": "resolved", "case-verified": "verified", "case-reopened": "reopened",
    "case-closed": "", "case-withdrawn": "", "case-ended-at-source": "",
}  # fmt: skip
SHARDS = """
SELECT s.shard AS district, '{log}' AS log, s.pos AS position, s.ts, coalesce({lag}, 0) AS lag, s.epoch,
  CASE WHEN s.leased_until > clock_timestamp() THEN s.owner ELSE '' END AS owner
FROM {schema}.shard s ORDER BY s.shard
"""
LAG = "(SELECT b.pos FROM {before}.shard b WHERE b.shard = s.shard) - {read}"
MERGED = "(SELECT m.pos FROM assessment.merged m WHERE m.shard = s.shard AND m.log = 'calls')"
LAGS = {
    "intake": "0",
    "cases": LAG.format(before="intake", read="s.input"),
    "calls": LAG.format(before="routing", read="s.input"),
    "evaluations": LAG.format(before="escalation", read=MERGED),
}
STANDING = """
SELECT DISTINCT ON (subject) type, data FROM routing.log WHERE shard = $1 AND type = ANY ($2) ORDER BY subject, seq DESC
"""
CALLING = """
SELECT r.data FROM escalation.log r WHERE r.shard = $1 AND r.type = 'gridcall.call-raised.v1' AND NOT EXISTS (
  SELECT FROM escalation.log e WHERE e.shard = r.shard AND e.subject = r.subject AND e.pos > r.pos
    AND e.type IN ('gridcall.call-answered.v1', 'gridcall.call-withdrawn.v1')
    AND convert_from(e.data, 'UTF8')::json ->> 'call' = convert_from(r.data, 'UTF8')::json ->> 'call')
"""
PARKED = """
SELECT p.shard AS district, '{log}' AS log, max(p.pos) AS position, p.subject AS case, array_agg(p.data ORDER BY p.pos) AS data,
  (SELECT count(*) FROM {schema}.log h WHERE h.shard = p.shard AND h.subject = p.subject AND h.pos > min(p.pos)
    AND h.type = 'gridcall.input-held.v1') AS held
FROM {schema}.log p WHERE p.type = 'gridcall.case-parked.v1' AND NOT EXISTS (
  SELECT FROM {schema}.log r WHERE r.shard = p.shard AND r.subject = p.subject AND r.pos > p.pos
    AND r.type = 'gridcall.case-retried.v1')
GROUP BY p.shard, p.subject ORDER BY p.shard, max(p.pos)
"""


async def status(database: Database) -> dict[str, Any]:
    """Positions, lag and leases of every shard; open cases and calls by stage and level."""
    shards = [shard for log in LAGS for shard in await shards_of(database, log)]
    districts = sorted({shard["district"] for shard in shards})
    return {
        "shards": shards,
        "open": {district: await opened(database, district) for district in districts},
    }


async def shards_of(database: Database, log: str) -> list[dict[str, Any]]:
    """Every shard of a log. `lag`: how many rows of the log before it wait to be read."""
    found = await database.fetch(SHARDS.format(log=log, lag=LAGS[log], schema=WRITER[log]))
    return [{**record, "ts": rfc3339(record["ts"])} for record in found]


async def opened(database: Database, district: str) -> dict[str, int]:
    """How many cases stand where, and how many calls are open at which level: the last word of each."""
    counts: Counter[str] = Counter()
    words = {f"gridcall.{name}.v1": said for name, said in STANDS.items()}
    for record in await database.fetch(STANDING, district, list(words)):
        if said := words[record["type"]]:
            counts[
                f"{said} at the {data_decoder(record['type']).decode(record['data']).holder.level}"
            ] += 1
    for record in await database.fetch(CALLING, district):
        counts[f"calls to the {msgspec.json.decode(record['data'])['to_level']}"] += 1
    return dict(counts)


async def parked(database: Database) -> list[dict[str, Any]]:
    """Parked cases: where, the last fault, and how many inputs came since the first."""
    rows = []
    for log in ("cases", "calls"):
        for record in await database.fetch(PARKED.format(log=log, schema=WRITER[log])):
            row = dict(record)
            fault = msgspec.json.decode(row.pop("data")[-1])["fault"]
            rows.append({**row, "fault": fault})
    return rows
