"""The follower of a district keeps its read model as new as the logs, and wakes the pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from math import inf
from time import monotonic
from typing import Any

from eventlog.condition import Replay
from eventlog.core.log import Source
from eventlog.core.row import Head, Watermark
from eventlog.log_once import LogOnce, Outages
from eventlog.notifier import Notifier
from eventlog.retry import Backoff
from eventlog.supervisor import SOURCE_POLL_SECONDS
from eventlog.tracing import Tracing
from events.errors import GridcallError, Unavailable
from events.instants import BEGINNING, Instant
from screen.core.case_file import LOGS
from screen.core.fold import VERSION, ZONE
from screen.model_writer import CAUSES, ModelWriter
from screen.payloads import board_payload
from screen.read_logs import check_generation, check_length, is_other, known_ends
from screen.store import ModelStore, PageStore, StoredModel
from screen.store.pages import Board

NAME = "screen"  # With it begin the notifications of a model's commits.
QUIET_SECONDS = 1.0  # A page that is open gets a message this often even if nothing happens.
WATCHED_SECONDS = 5.0  # A page that asked for something newer is open for at least so long.
PAUSE_SECONDS = 0.1  # Between two looks at the logs, so that simultaneous rows are shown together.
UNWATCHED_PAUSE_SECONDS = 0.5  # While no page is open. A look costs as much as many rows.
RENEWED_SECONDS = 1.0  # A commit renews the lease for three times as long.
FOLLOWING_SECONDS = 15.0  # Without a look for so long there is an outage.
STALLED_SECONDS = 3.0  # District time that has not passed for so long counts as late.

BATCHES = 20  # At most, between two looks: another model of the district may be behind.

log = logging.getLogger("gridcall")


class Written(Enum):
    """The rows that were stored in a model: none, all that there were, or some of more."""

    NOTHING = 0
    SOME = 1
    MORE = 2


class Follower:
    """Reads the logs of a district into its models, and knows which one the pages read.

    Several processes may follow a district: the one with the lease writes, all serve. `version`
    counts what the pages can see; it grows with time, too. `served` is the model that they read.
    """

    def __init__(
        self,
        district: str,
        logs: Mapping[str, Source],
        notifier: Notifier,
        speed: float,
        models: ModelStore,
        pages: PageStore,
        outages: Outages | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.district = district
        self.logs = logs
        self.notifier = notifier
        self.speed = speed
        self.version = 0
        self.served: StoredModel | None = None
        self.replay: Replay | None = None
        self.watermarks = dict.fromkeys(LOGS, Watermark(0, BEGINNING))
        self._models = models
        self._pages = pages
        self._tracing = tracing
        self._writers: dict[int, ModelWriter] = {}
        self._leased_at: dict[int, float] = {}
        self._complete = dict.fromkeys(LOGS, BEGINNING)  # All rows before this instant are read.
        self._ends: dict[str, int] = {}  # The last position at which each log was known to end.
        self._boards: dict[int, Board] = {}  # Of this version, by the step that a page has.
        self._advanced_at = monotonic()
        self._read_at = self._asked_at = -inf
        self._newer = asyncio.Event()
        self._backoff = Backoff()
        self._outages = outages or Outages(log, NAME)
        self._log = LogOnce(log, service=NAME, district=district)

    async def run(self) -> None:
        """Follow the logs until cancelled, then let others write."""
        try:
            while True:
                await self._try_once()
        finally:
            with suppress(Unavailable):
                for model in self._writers:
                    await self._models.release(model)

    async def _try_once(self) -> None:
        """Look at the logs, and wait for more."""
        counts = {name: self.notifier.count(name, self.district) for name in (*LOGS, NAME)}
        try:
            has_more = await self.look()
        except GridcallError as fault:
            self._writers.clear()
            if isinstance(fault, Unavailable):
                self._outages.begin(self.district, fault)
            else:
                self._log.warning(f"{self.district} retrying: {fault}")
            await self._backoff.sleep()
            return
        self._outages.end(self.district)
        self._log.clear()
        self._backoff.reset()
        if not has_more:
            await self._wait_for_rows(counts)

    async def look(self) -> bool:
        """Store rows that are there, and wake the pages. Tell if there are more rows to store."""
        stored = await self._models.models(self.district)
        await self._keep(stored)
        heads = {name: await self._head(name, stored) for name in LOGS}
        self._ends |= known_ends(heads)
        models = await self._usable_models(stored, heads)
        results = [await self._write(model, heads) for model in own_models(models)]
        if Written.SOME in results or Written.MORE in results:
            models = await self._models.models(self.district)
        self._note(heads, models)
        self._wake_pages()
        return Written.MORE in results

    async def _head(self, name: str, models: Sequence[StoredModel]) -> Head:
        """Return the head of a log. Over Kafka, its reader begins where the model goes on."""
        source = self.logs[name]
        head = await source.head(self.district)
        read = max((model.logs[name].position for model in own_models(models)), default=0)
        if head.mark.position < read:
            await source.read(self.district, read, 1)
            head = await source.head(self.district)
        return head

    # ── Models ───────────────────────────────────────────────────────────────────────────────────

    async def _keep(self, models: Sequence[StoredModel]) -> None:
        """Keep the models that this screen serves and builds, also if their logs have no rows."""
        used = [*own_models(models), served_model(models)]
        if fading := sorted({model.id for model in used if model and model.is_fading}):
            await self._models.keep(fading)

    async def _usable_models(
        self, stored: Sequence[StoredModel], heads: Mapping[str, Head]
    ) -> Sequence[StoredModel]:
        """Return the models of these logs, of which one has this version. Others go."""
        judged = [await self._usable_model(model, heads) for model in stored]
        models = [model for model in judged if model]
        own = [model.state for model in own_models(models)]
        if "live" in own and any(model.version < VERSION for model in models):
            await self._models.abandon(self.district, VERSION)
        if own:
            return models
        generations = {name: head.generation.number for name, head in heads.items()}
        await self._models.build(self.district, VERSION, generations)
        return await self._models.models(self.district)

    async def _usable_model(
        self, model: StoredModel, heads: Mapping[str, Head]
    ) -> StoredModel | None:
        """Return a model in the generations that its logs have. One of other logs is dropped."""
        if model.state == "dropped":
            await self._models.sweep(model.id)
            return None
        for name, head in heads.items():
            check_generation(f"{name}/{self.district}", model.logs[name], head)
        others = [name for name, head in heads.items() if is_other(model.logs[name], head)]
        if others:
            self._log.warning(f"{others[0]}/{self.district} is another log: it is read again")
            await self._models.drop(model)
            return None
        if model.version == VERSION:  # A reader over Kafka begins where these are, not others.
            for name, head in heads.items():
                check_length(f"{name}/{self.district}", model.logs[name], head)
        later = {
            name: head.generation.number
            for name, head in heads.items()
            if head.generation.number != model.logs[name].generation
        }
        return await self._models.follow(model, later) if later else model

    async def _write(self, model: StoredModel, heads: Mapping[str, Head]) -> Written:
        """Store rows that are there in a model, if this process has the lease on it."""
        writer, rows = self._writer(model), 0
        if not writer.has_read(heads) and not await self._has_lease(model):
            for name, read in model.logs.items():  # Over Kafka, what nobody reads is in the way.
                await self.logs[name].read(self.district, read.position, 1)
            return Written.NOTHING
        for _ in range(BATCHES):
            rows += (count := await writer.write_batch(heads))
            if not count:
                break
            self._leased_at[model.id] = monotonic()
        else:
            return Written.MORE
        if model.state == "building" and self._is_complete(writer, heads):
            await self._models.swap(self.district, writer.model)
            return Written.SOME
        return Written.SOME if rows else Written.NOTHING

    def _is_complete(self, writer: ModelWriter, heads: Mapping[str, Head]) -> bool:
        """Tell if a writer has read all logs to their ends. Over Kafka a head may be far from it,
        because it has only what was received.
        """
        ends = self._ends.items()
        are_read = all(writer.positions[name] >= end for name, end in ends)
        return len(ends) == len(LOGS) and are_read and writer.has_read(heads)

    def _writer(self, model: StoredModel) -> ModelWriter:
        """Return the writer of a model, a new one if another process has written meanwhile."""
        writer = self._writers.get(model.id)
        if writer is None or not writer.goes_on_from(model):
            writer = ModelWriter(self.district, model, self.logs, self._models, self._tracing)
            self._writers[model.id] = writer
        return writer

    async def _has_lease(self, model: StoredModel) -> bool:
        """Become, or stay, the writer of a model."""
        is_owner = model.owner == self._models.owner
        if is_owner and monotonic() < self._leased_at.get(model.id, -inf) + RENEWED_SECONDS:
            return True
        if not is_owner and not model.is_free:
            return False
        if has_lease := await self._models.lease(model.id):
            self._leased_at[model.id] = monotonic()
        return has_lease

    def _note(self, heads: Mapping[str, Head], models: Sequence[StoredModel]) -> None:
        """Note how far the logs are, and which model is served."""
        before, served = self.now, served_model(models)
        if served is None or self.served is None or served.id != self.served.id:
            self._complete = dict.fromkeys(LOGS, BEGINNING)
            self.watermarks = dict.fromkeys(LOGS, Watermark(0, BEGINNING))
        for name, head in heads.items():
            known = max(self.watermarks[name].watermark, head.mark.watermark)
            self.watermarks[name] = Watermark(head.mark.position, known)
            if served:
                read = served.logs[name]
                is_read = read.position >= head.mark.position
                until = head.mark.watermark if is_read else read.time
                self._complete[name] = max(self._complete[name], until)
        self.served = served
        self.replay = self._replay_of(heads, models)
        self._read_at = monotonic()
        if self.now != before:
            self._advanced_at = monotonic()

    def _replay_of(self, heads: Mapping[str, Head], models: Sequence[StoredModel]) -> Replay | None:
        """Return how far the model of this build is; None once it is live."""
        own = own_models(models)
        if not own or any(model.state == "live" for model in own):
            return None
        folded = sum(read.position for read in own[0].logs.values())
        rows = sum(head.mark.position for head in heads.values())
        return Replay(name=f"{NAME}/{self.district}", folded=folded, rows=rows)

    # ── For the pages ────────────────────────────────────────────────────────────────────────────

    @property
    def is_current(self) -> bool:
        """True once all that was there has been read into the served model."""
        return self.served is not None and self.served.state == "live"

    def is_following(self) -> bool:
        """Tell if the logs were read a moment ago, perhaps not to their ends."""
        return monotonic() - self._read_at < FOLLOWING_SECONDS

    @property
    def is_watched(self) -> bool:
        """True while a page is open, or somebody waits until a case is read."""
        return monotonic() - self._asked_at < WATCHED_SECONDS

    def _wake_pages(self) -> None:
        self.version += 1
        self._boards = {}  # A board that is still being read belongs to the earlier ones.
        self._newer.set()
        self._newer = asyncio.Event()

    async def _wait_for_rows(self, counts: Mapping[str, int]) -> None:
        """Wait for a new row or commit, and then for those close behind.

        Without any, an open page gets a message once a second, and others look rarely.
        """
        named = {(name, self.district): count for name, count in counts.items()}
        seconds = QUIET_SECONDS if self.is_watched else SOURCE_POLL_SECONDS
        await self.notifier.wait_for_any(named, seconds)
        if self.is_watched:
            await asyncio.sleep(PAUSE_SECONDS)
        else:  # A page that opens meanwhile ends the pause.
            count = self.notifier.count(NAME, self.district)
            await self.notifier.wait(NAME, self.district, count, UNWATCHED_PAUSE_SECONDS)

    async def wait_for_newer(self, version: int) -> None:
        """Wait until there is more to show than at this version.

        The first who waits after a while wakes the follower, because it looks rarely.
        """
        was_watched, self._asked_at = self.is_watched, monotonic()
        if not was_watched:
            self.notifier.notify(NAME, self.district)
        if self.version <= version:
            await self._newer.wait()

    @property
    def now(self) -> Instant:
        """The instant up to which time has passed in the district."""
        return self.watermarks["intake"].watermark

    @property
    def as_of(self) -> Instant:
        """The instant before which everything is in the served model, in each of the logs."""
        return min(self._complete.values())

    def setting(self, name: str, otherwise: str = "") -> str:
        """Return a setting of the served model: the digest of a content, or the time zone."""
        return self.served.settings.get(name, otherwise) if self.served else otherwise

    async def board(self, since: int) -> Board:
        """Return the district as the last commit left it, with the grids that changed after a step.

        Pages that have the same step share one. Raises Unavailable.
        """
        if self.served is None:
            raise Unavailable(f"the screen has not begun to read {self.district!r}")
        boards = self._boards
        if since not in boards:
            boards[since] = await self._pages.board(self.served.id, since)
        return boards[since]

    def live_payload(self, board: Board) -> dict[str, Any]:
        """Return a live message."""
        return {
            "now": self.now,
            "speed": self.speed,
            "zone": self.setting(ZONE, "UTC"),
            "lag": self.lag(),
            **board_payload(board),
        }

    def lag(self) -> dict[str, float]:
        """Return the rows that each stage and the screen have still to read, and the delay."""
        logs, watermarks = self.served.logs if self.served else {}, self.watermarks
        waiting = {
            name: 0
            if watermarks[name].watermark >= watermarks[cause].watermark
            else max(0, watermarks[cause].position - (logs[name].input if logs else 0))
            for name, cause in CAUSES.items()
        }
        read = sum(each.position for each in logs.values())
        unread = max(0, sum(mark.position for mark in watermarks.values()) - read)
        return {**waiting, "rows": unread, "seconds": round(self._delay_seconds(), 1)}

    def _delay_seconds(self) -> float:
        """Return the seconds by which `calls` is late, or since district time last passed."""
        last = self.watermarks[LOGS[-1]].watermark
        late = max(0, self.now - last) / 1e6 / self.speed if last > BEGINNING else 0
        stalled = self._read_at - self._advanced_at
        return max(late, stalled if stalled > STALLED_SECONDS else 0)


def own_models(models: Sequence[StoredModel]) -> list[StoredModel]:
    """Return the models of this version that are in use."""
    return [model for model in models if model.version == VERSION and model.state != "dropped"]


def served_model(models: Sequence[StoredModel]) -> StoredModel | None:
    """Return the model that pages read: a live one of this version, else of an earlier one, else
    the one that is built.
    """
    known = [model for model in models if model.version <= VERSION and model.state != "dropped"]
    return max(known, key=lambda model: (model.state == "live", model.version), default=None)
