"""A tracer that sends nothing, and a log whose rows are all of sampled inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eventlog.core.row import Progress, Row
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database
from eventlog.tracing import NewSpan, Span, Tracing

MINE, OTHER = (f"00-{digit * 32}-{digit * 16}-01" for digit in "ab")


class RecordedSpan:
    """A span that records what is done with it."""

    def __init__(self, new: NewSpan) -> None:
        self.name, self.parent, self.links = new.name, new.parent, list(new.links)
        self.attributes = new.attributes
        self.context = f"{new.parent[:36]}{'c' * 16}-01"
        self.ended: list[BaseException | None] = []

    def annotate(self, name: str, value: str | int) -> None:
        pass

    def end(self, fault: BaseException | None = None) -> None:
        self.ended.append(fault)


class RecordingTracer:
    """A tracer that records its spans."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []

    def start(self, new: NewSpan) -> Span:
        self.spans.append(RecordedSpan(new))
        return self.spans[-1]

    def close(self) -> None:
        pass


class TracedLog(PostgresLog):
    """A log on Postgres with traces, whose rows are all of sampled inputs."""

    def __init__(
        self, name: str, schema: str, database: Database, notifier: Notifier, owner: str = ""
    ) -> None:
        tracing = Tracing(RecordingTracer())
        super().__init__(name, schema, database, notifier, owner, tracing=tracing)

    @property
    def contexts(self) -> Mapping[str, str]:
        """Return the contexts that this process knows, by the names of rows."""
        assert self.tracing is not None
        return dict(self.tracing.contexts._known)

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        assert self.tracing is not None
        for row in rows:
            self.tracing.contexts.add(row.id, MINE)
        await super().commit(shard, rows, progress)
