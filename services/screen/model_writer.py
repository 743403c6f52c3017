"""The writer of one model: it folds the next rows of each log, causes before their effects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain

from eventlog.core.log import Source
from eventlog.core.row import Head, Row
from eventlog.core.versions import foldable
from eventlog.tracing import Tracing, begin_batch, span_block
from events.instants import LATEST, Instant
from events.topology import SERVICE, WRITER
from httpedge.telemetry import batch_time
from screen.core.case_file import LOGS
from screen.core.fold import Fold, concerned_cases
from screen.store import ModelStore, StoredModel

BATCH = 200  # Rows of each log at once, so that the intake API of the same process is not delayed.
BUILD_BATCH = 1_000  # Rows of each log at once while a model is built: the more, the fewer writes.
# Log → the log of which its rows are the effects.
CAUSES = {log: SERVICE[WRITER[log]].inputs[0] for log in LOGS if SERVICE[WRITER[log]].inputs}


class ModelWriter:
    """Folds the logs of a district into a model on which this process has the lease.

    `position` is the last position read of each log. No case is kept from one batch to the next.
    """

    def __init__(
        self,
        district: str,
        model: StoredModel,
        logs: Mapping[str, Source],
        store: ModelStore,
        tracing: Tracing | None = None,
    ) -> None:
        self.model = model
        self.positions = {name: read.position for name, read in model.logs.items()}
        self._district = district
        self._logs = logs
        self._store = store
        self._tracing = tracing
        self._batch = BATCH if model.state == "live" else BUILD_BATCH
        self._unread: dict[str, list[Row]] = {name: [] for name in LOGS}

    async def write_batch(self, heads: Mapping[str, Head]) -> int:
        """Fold and store the next rows of each log up to its head; return their number.

        Raises Conflict if another process has written the model, and Outdated before a row of a
        type that this build does not know.
        """
        for name in LOGS:
            after, last = self.positions[name], heads[name].mark.position
            if not self._unread[name] and after < last:
                # Not beyond the head: this process may remember rows that were cut away.
                limit = min(self._batch, last - after)
                rows = await self._logs[name].read(self._district, after, limit)
                self._unread[name] = foldable(rows)
        ready = self._ready_rows(heads)
        if count := sum(map(len, ready.values())):
            rows = list(chain(*ready.values())) if self._tracing else []
            span = begin_batch(self._tracing, "fold", "screen", rows, self._district)
            with span_block(span), batch_time("screen", "fold"):
                await self._fold(ready)
        return count

    def goes_on_from(self, model: StoredModel) -> bool:
        """Tell if nobody else has written the model since."""
        return self.model.step == model.step and self.model.state == model.state

    def has_read(self, heads: Mapping[str, Head]) -> bool:
        """Tell if all rows up to the heads of the logs are read."""
        return all(self.positions[name] >= head.mark.position for name, head in heads.items())

    def _ready_rows(self, heads: Mapping[str, Head]) -> dict[str, Sequence[Row]]:
        """Return the rows to fold now: of one stretch of time, with their causes.

        So a case whose rows are in several logs is mostly written once.
        """
        until = min(
            (
                rows[-1].time
                for name, rows in self._unread.items()
                if rows and rows[-1].position < heads[name].mark.position
            ),
            default=LATEST,
        )
        read = dict(self.positions)
        ready: dict[str, Sequence[Row]] = {}
        for name in LOGS:  # Each after its causes.
            last_input = read[CAUSES[name]] if name in CAUSES else 0
            rows = self._unread[name]
            ready[name] = rows[: count_ready(rows, until, last_input)]
            if ready[name]:
                read[name] = ready[name][-1].position
        return ready

    async def _fold(self, ready: Mapping[str, Sequence[Row]]) -> None:
        cases = concerned_cases(row for rows in ready.values() for row in rows)
        fold = Fold(await self._store.files(self.model.id, cases), self.model.settings)
        for rows in ready.values():
            for start in range(0, len(rows), BATCH):
                fold.apply(rows[start : start + BATCH])
                await asyncio.sleep(0)
        fold.finish()
        await self._store.commit(self.model, fold)
        self.model = self.model._replace(step=self.model.step + 1, settings=fold.settings)
        self.positions |= fold.positions
        for name, rows in ready.items():
            self._unread[name] = self._unread[name][len(rows) :]


def count_ready(rows: Sequence[Row], until: Instant, last_input: int) -> int:
    """Return how many rows are not later than `until`, and have a cause that is read."""
    for number, row in enumerate(rows):
        if row.time > until or row.input > last_input:
            return number
    return len(rows)
