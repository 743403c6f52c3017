"""The history of the demo: what its platforms and people did before a visitor came.

They are the same platforms and people, in time that jumps from one task to the next. The stages
decide in memory, so that people know what to act on. The inputs are accepted afterwards, each at
its time, so that the district's log leads to the same decisions.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from eventlog.codec import Entry, data_decoder, row_of
from eventlog.core.row import Draft
from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database
from events.instants import SECOND_US, Instant
from gridcall.demo.keys import PEOPLE, DemoKeys
from gridcall.demo.licheng.contents import contents
from gridcall.demo.licheng.units import CODE
from gridcall.demo.traffic.agenda import Agenda, Task
from gridcall.demo.traffic.clock import HOUR, MINUTE, DistrictClock
from gridcall.demo.traffic.people import People
from gridcall.demo.traffic.platforms import Platforms, TimedPost
from gridcall.demo.traffic.receipts import Post, Receipts
from gridcall.demo.traffic.world import BURST_EVERY, HOUR_WEIGHTS, PER_HOUR, REPEATED, SLEEP_MAX
from gridcall.simulation.pipelines.memory import MemoryPipeline
from httpedge.problems import Problem
from intake.acceptor import Accepted, Acceptor
from intake.api_keys import ApiKey, ApiKeys
from intake.authorization import check_line
from intake.core.submission import Item
from intake.store import IntakeStore
from intake.submissions import ActionSubmission, IssueSubmission, Submission

SEED = 1  # Of people; the living demo continues with it.
PLATFORM_SEED = 19  # Of a day that ends with open calls to streets and to the district.
# Inputs of so many seconds are accepted together, but for those that a visitor still sees.
GROUP_US = 300 * SECOND_US
RECENT_US = 1800 * SECOND_US
TICK_SECONDS = 5 * MINUTE  # So often time passes, also if nothing is posted.


class JumpingClock(DistrictClock):
    """A clock that is still until it jumps."""

    def __init__(self, start: Instant) -> None:
        super().__init__(speed=1.0)
        self._now = start

    def jump(self, at: Instant) -> None:
        """Jump to an instant."""
        self._now = at

    def now(self) -> Instant:
        return self._now


class JumpingAgenda(Agenda):
    """An agenda whose tasks are taken in order, without waiting for their times."""

    def __init__(self, clock: JumpingClock, until: Instant) -> None:
        super().__init__(speed=1.0)
        self._clock = clock
        self._until = until
        self._tasks: list[tuple[Instant, int, Task]] = []

    def add(self, seconds: float, task: Task) -> None:
        """Add a task; its time is rounded up to the next group of inputs, or to a second."""
        self._count += 1
        due = self._clock.now() + int(max(0.0, seconds) * 1e6)
        step = SECOND_US if due > self._until - RECENT_US else GROUP_US
        heapq.heappush(self._tasks, (-(-due // step) * step, self._count, task))

    def take(self) -> Task | None:
        """Jump to the next task and return it; None if none is left before the end."""
        due, _, task = heapq.heappop(self._tasks)
        if due >= self._until:
            return None
        self._clock.jump(max(due, self._clock.now()))
        return task


class PastPost(NamedTuple):
    """A post of the history with its time, and what intake reads in it.

    `item` is None if intake refuses it.
    """

    at: Instant
    post: Post
    item: Item | None
    problem: Problem | None


class PeoplesReader:
    """The part of the pipeline that shows the rows of `cases` and `calls` to people."""

    def __init__(self, people: People) -> None:
        self._people = people

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Let people read the next rows of a log."""
        if log != "intake":
            for entry in entries:
                self._people.read(row_of(log, shard, entry))


class History:
    """The platforms and people of the demo from `start` until `until`."""

    def __init__(
        self, keys: Mapping[str, ApiKey], receipts: Receipts, start: Instant, until: Instant
    ) -> None:
        self._keys = keys
        self._receipts = receipts
        self._clock = JumpingClock(start)
        self._agenda = JumpingAgenda(self._clock, until)
        self._chance = random.Random(PLATFORM_SEED)  # noqa: S311 A demo, no secret.
        self._platforms = Platforms(receipts, self._clock, self._chance)
        self.people = People(receipts, self._clock, self._agenda, SEED)
        self.people.activate()
        self._pipeline = MemoryPipeline(CODE, PeoplesReader(self.people))
        self._known: set[str] = set()

    async def run(self) -> list[PastPost]:
        """Return all posts in their order."""
        now = self._clock.now()
        drafts = [Draft(now, "reference", event) for event, _ in contents()]
        bodies = {event.digest: body for event, body in contents() if event.digest}
        await self._pipeline.begin(drafts, bodies)
        for begin in (self._report, self._report_burst, self._tick):
            begin()
        posts: list[PastPost] = []
        while task := self._agenda.take():
            post = task()
            await self._pipeline.announce(self._clock.now())
            if post:
                posts.append(await self._send(post))
        return posts

    # ── What happens ─────────────────────────────────────────────────────────────────────────────

    def _report(self) -> None:
        """Report an issue, now and then: at the rate of the hour of the day."""
        rate = PER_HOUR * HOUR_WEIGHTS[self._clock.hour()] / HOUR
        pause = self._chance.expovariate(rate)

        def report() -> None:
            if pause <= SLEEP_MAX:
                self._plan(self._platforms.report_any())
            self._report()

        self._agenda.add(min(pause, SLEEP_MAX), report)

    def _report_burst(self) -> None:
        def report() -> None:
            self._plan(self._platforms.report_burst())
            self._report_burst()

        self._agenda.add(self._chance.expovariate(1 / BURST_EVERY), report)

    def _tick(self) -> None:
        self._agenda.add(TICK_SECONDS, self._tick)

    def _plan(self, posts: Iterator[TimedPost]) -> None:
        """Add posts to the agenda, and some of them twice."""
        for seconds, post in posts:
            self._agenda.add(seconds, lambda post=post: post)  # type: ignore[misc]
            if self._chance.random() < REPEATED:
                pause = self._chance.uniform(0, SLEEP_MAX)
                self._agenda.add(seconds + pause, lambda post=post: post)  # type: ignore[misc]

    async def _send(self, post: Post) -> PastPost:
        """Read a post as intake does, and let the stages decide what is new."""
        at = self._clock.now()
        try:
            item, _ = self._submission(post).read(post.body.encode())
        except Problem as problem:
            return PastPost(at, post, None, problem)
        if item.id not in self._known:
            self._known.add(item.id)
            event = data_decoder(item.type).decode(item.data)
            await self._pipeline.feed([Draft(at, item.id, event)])
        return PastPost(at, post, item, None)

    def _submission(self, post: Post) -> Submission:
        key = self._keys[post.source]
        return IssueSubmission(key, check_line(post.line)) if post.line else ActionSubmission(key)


async def write_history(
    database: Database, folder: Path, keys: DemoKeys, start: Instant, until: Instant
) -> int:
    """Make the history of the district, accept it, and return the number of its posts.

    Intake's clock is still: first at `start`, in the end at the time of the last post.
    """
    receipts = Receipts(folder)
    try:
        posts = await History(await keys_of(database, keys), receipts, start, until).run()
        acceptor = Acceptor(database, Notifier())
        for at, simultaneous in groupby(posts, key=lambda past: past.at):
            await IntakeStore(database).stop_clock(at)
            await accept(acceptor, receipts, list(simultaneous))
        await acceptor.drain()
    finally:
        receipts.close()
    return len(posts)


async def keys_of(database: Database, keys: DemoKeys) -> dict[str, ApiKey]:
    """Return the key of each source."""
    sources = (*keys.platforms, PEOPLE)
    return {
        source: await ApiKeys(database).find(keys.secret_of(source), "this process")
        for source in sources
    }


async def accept(acceptor: Acceptor, receipts: Receipts, posts: Sequence[PastPost]) -> None:
    """Accept posts of one instant, and write their receipts."""
    items = [past.item for past in posts if past.item]
    answers = iter(await acceptor.accept(CODE, items) if items else [])
    for past in posts:
        receipts.record_sending(past.post, past.at)
        status, answer = (
            answer_of(next(answers)) if past.item else refusal_of(past.problem, past.post)
        )
        receipts.record_answer(past.post, past.at, status, answer)


def answer_of(accepted: Accepted) -> tuple[int, dict[str, Any]]:
    """Return intake's answer to an accepted post, as far as a receipt has it."""
    return 202 if accepted.fresh else 200, {"id": accepted.id, "position": accepted.position}


def refusal_of(problem: Problem | None, post: Post) -> tuple[int, dict[str, Any]]:
    """Return intake's answer to a refused post."""
    assert problem is not None
    return problem.status, problem.to_members(post.path)
