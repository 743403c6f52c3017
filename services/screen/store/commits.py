"""The commits of models: a batch of each of many districts is one statement.

The fence of a commit is the `step` of its model. Rows are stored for those models alone whose fence
moved, so that a writer who was overtaken stores nothing and takes nothing from others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any, NamedTuple, TypeAlias

import msgspec

from eventlog.postgres.columns import array_columns
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.pool import Database
from eventlog.postgres.shared_statements import SharedStatements
from screen.core.case_file import LINE_FIGURES, CaseFile, limit_of
from screen.core.fold import EVENTS_MAX, Fold
from screen.store.packing import pack_file, unpack_file

ROWS_MAX = 500  # In one statement of several models.

# The rows of a commit, by what they are for, and the types of their columns after the model.
COLUMNS = {
    "progress": ("text", "bigint", "bigint", "bigint"),
    "case": ("text",) * 4 + ("bigint",) * 3 + ("boolean",) * 6 + ("bytea",),
    "called": ("text",),
    "call": ("text", "text", "text", "bigint"),
    "tally": ("text", "text", *("bigint",) * len(LINE_FIGURES)),
    "event": ("bigint", "smallint", "bigint", "bigint", "text", "text"),
}
FIRST_PARAMETER = 7  # Those before it are of the fences.


def unnested_parameters() -> dict[str, str]:
    """Return the SQL by which a statement takes the rows of each kind."""
    numbers = count(FIRST_PARAMETER)
    return {
        name: f"unnest({', '.join(f'${next(numbers)}::{kind}[]' for kind in ('bigint', *kinds))})"
        for name, kinds in COLUMNS.items()
    }


# In a statement of several, `{lock}` leaves out a model that another transaction holds. No part of
# the statement sees what another one writes. So calls that stay open are not deleted first, and
# `oldest`, the last event that stays, is of the stored ones and the new ones.
COMMIT = """
WITH call AS (
  SELECT m.id, call.step, call.settings
  FROM unnest($4::bigint[], $5::bigint[], $6::text[]) AS call (model, step, settings)
  JOIN screen.model m ON m.id = call.model {lock}
), fence AS (
  UPDATE screen.model m SET step = m.step + 1, settings = call.settings,
    leased_until = clock_timestamp() + make_interval(secs => $2)
  FROM call
  WHERE m.id = call.id AND m.step = call.step AND m.owner = $1 AND m.state <> 'dropped'
  RETURNING m.id, m.shard, m.step
), open_call AS (
  SELECT k.* FROM fence JOIN {call} AS k (model, id, case_id, level, due) ON k.model = fence.id
), new_event AS (
  SELECT k.* FROM fence JOIN {event} AS k (model, ts, log, pos, start, name, case_id)
    ON k.model = fence.id
), oldest AS (
  SELECT each.model, last.* FROM (SELECT DISTINCT model FROM new_event) AS each, LATERAL (
    SELECT ts, log, pos FROM (
      (SELECT ts, log, pos FROM screen.event WHERE model = each.model
        ORDER BY ts DESC, log DESC, pos DESC LIMIT $3)
      UNION ALL SELECT ts, log, pos FROM new_event WHERE model = each.model
    ) AS known ORDER BY ts DESC, log DESC, pos DESC OFFSET $3 - 1 LIMIT 1
  ) AS last
), read AS (
  UPDATE screen.progress p SET pos = k.pos, input = k.input, ts = k.ts
  FROM fence JOIN {progress} AS k (model, log, pos, input, ts) ON k.model = fence.id
  WHERE p.model = k.model AND p.log = k.log
), stored_case AS (
  INSERT INTO screen.case_file (
    model, id, line, reference, grid, due, accepted, ended,
    open, running, overdue, calling, queued, parked, file
  )
  SELECT k.* FROM fence JOIN {case} AS k (model) ON k.model = fence.id
  ON CONFLICT (model, id) DO UPDATE SET
    line = excluded.line, reference = excluded.reference, grid = excluded.grid, due = excluded.due,
    accepted = excluded.accepted, ended = excluded.ended, open = excluded.open,
    running = excluded.running, overdue = excluded.overdue, calling = excluded.calling,
    queued = excluded.queued, parked = excluded.parked, file = excluded.file
), ended_call AS (
  DELETE FROM screen.call c
  USING fence JOIN {called} AS k (model, case_id) ON k.model = fence.id
  WHERE c.model = k.model AND c.case_id = k.case_id
    AND (c.model, c.id) NOT IN (SELECT model, id FROM open_call)
), stored_call AS (
  INSERT INTO screen.call (model, id, case_id, level, due) SELECT * FROM open_call
  ON CONFLICT (model, id) DO UPDATE SET
    case_id = excluded.case_id, level = excluded.level, due = excluded.due
), counted AS (
  INSERT INTO screen.tally AS t (
    model, of, code,
    accepted, open, ended, overdue, calling, queued, parked, street_calls, district_calls, step
  )
  SELECT k.*, fence.step FROM fence JOIN {tally} AS k (model) ON k.model = fence.id
  ON CONFLICT (model, of, code) DO UPDATE SET step = excluded.step,
    accepted = t.accepted + excluded.accepted, open = t.open + excluded.open,
    ended = t.ended + excluded.ended, overdue = t.overdue + excluded.overdue,
    calling = t.calling + excluded.calling, queued = t.queued + excluded.queued,
    parked = t.parked + excluded.parked, street_calls = t.street_calls + excluded.street_calls,
    district_calls = t.district_calls + excluded.district_calls
), listed AS (
  INSERT INTO screen.event (model, ts, log, pos, start, name, case_id)
  SELECT e.* FROM new_event e LEFT JOIN oldest ON oldest.model = e.model
  WHERE ((e.ts, e.log, e.pos) < (oldest.ts, oldest.log, oldest.pos)) IS NOT TRUE
), trimmed AS (
  DELETE FROM screen.event e USING oldest
  WHERE e.model = oldest.model AND (e.ts, e.log, e.pos) < (oldest.ts, oldest.log, oldest.pos)
)
SELECT id, false AS moved, NULL AS notified FROM call
UNION ALL
SELECT id, true, pg_notify('gridcall', 'screen/' || shard)::text FROM fence
"""
LOCK = "ORDER BY m.id FOR UPDATE OF m SKIP LOCKED"
FILES = """
SELECT k.model, c.id, c.file FROM unnest($1::bigint[], $2::text[]) AS k (model, id)
JOIN screen.case_file c ON c.model = k.model AND c.id = k.id
"""

Rows: TypeAlias = Sequence[tuple[Any, ...]]


class Commit(NamedTuple):
    """A commit of a model: its fence, what the page draws, and rows by what they are for."""

    step: int
    settings: str
    rows: Mapping[str, Rows]


class ModelCommits:
    """The commits of all models by one process, which `owner` names, and the files before them."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        rows = unnested_parameters()
        self._alone, self._shared = (COMMIT.format(**rows, lock=lock) for lock in ("", LOCK))
        self._commits = SharedStatements(self._commit, size_max=ROWS_MAX)
        self._reads = SharedStatements(self._read, size_max=ROWS_MAX)

    async def files(self, model: int, cases: Sequence[str]) -> dict[str, CaseFile]:
        """Return the files of those cases that a model knows."""
        return await self._reads.call(model, cases, len(cases)) if cases else {}

    async def commit(self, model: int, step: int, fold: Fold) -> bool:
        """Store what a fold changed. Returns False if the model is not at this step any more."""
        rows = rows_of(fold)
        settings = msgspec.json.encode(fold.settings).decode()
        size = sum(map(len, rows.values()))
        return await self._commits.call(model, Commit(step, settings, rows), size)

    # ── Several models ────────────────────────────────────────────────────────────────────────────

    async def _read(self, wanted: Mapping[int, Sequence[str]]) -> Mapping[int, dict[str, CaseFile]]:
        keys = [(model, case) for model, cases in wanted.items() for case in cases]
        files = {model: dict[str, CaseFile]() for model in wanted}
        for model, id_, file in await self._database.fetch(FILES, *array_columns(keys, 2)):
            files[model][id_] = unpack_file(file)
        return files

    async def _commit(self, commits: Mapping[int, Commit]) -> Mapping[int, bool]:
        fences = [(model, each.step, each.settings) for model, each in commits.items()]
        columns = chain.from_iterable(
            array_columns(
                [(model, *row) for model, each in commits.items() for row in each.rows[name]],
                1 + len(kinds),
            )
            for name, kinds in COLUMNS.items()
        )
        is_shared = len(commits) > 1
        records = await self._database.fetch(
            self._shared if is_shared else self._alone,
            *(self._owner, LEASE_SECONDS, EVENTS_MAX, *array_columns(fences, 3), *columns),
        )
        moved = dict.fromkeys(() if is_shared else commits, False)
        for model, has_moved, _ in records:
            moved[model] = moved.get(model, False) or has_moved
        return moved


def rows_of(fold: Fold) -> dict[str, Rows]:
    """Return the rows that a fold changed, by what they are for."""
    called = sorted(fold.called.items())
    return {
        "progress": [
            (log, position, fold.inputs[log], fold.times[log])
            for log, position in fold.positions.items()
        ],
        "case": [
            (id_, *file.keys(), pack_file(file)) for id_, file in sorted(fold.changed.items())
        ],
        "called": [(id_,) for id_, _ in called],
        "call": [
            (call.id, id_, call.to_level, limit_of(call))
            for id_, file in called
            for call in file.calls.values()
        ],
        "tally": tally_rows(fold),
        "event": [*fold.events],
    }


def tally_rows(fold: Fold) -> Rows:
    """Return the differences of the counts that changed."""
    changes: dict[tuple[str, str], dict[str, int]] = {}
    for (of, code, figure), by in fold.tallies.items():
        if by:
            changes.setdefault((of, code), {})[figure] = by
    return [
        (*key, *(figures.get(name, 0) for name in LINE_FIGURES))
        for key, figures in sorted(changes.items())
    ]
