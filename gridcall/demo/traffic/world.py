"""The world around gridcall: platforms and people at work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx

from eventlog.codec import read_envelope
from eventlog.http_log import POSITION_HEADER, WATERMARK_HEADER
from gridcall.demo.keys import PEOPLE, DemoKeys
from gridcall.demo.licheng.units import CODE
from gridcall.demo.traffic.agenda import Agenda
from gridcall.demo.traffic.client import request
from gridcall.demo.traffic.clock import HOUR, MINUTE, DistrictClock
from gridcall.demo.traffic.people import People
from gridcall.demo.traffic.platforms import Platforms, TimedPost
from gridcall.demo.traffic.receipts import Post, Receipts

PER_HOUR = 60.0  # Issues in an hour of weight 1. At 60 times the pace that is one a second.
HOUR_WEIGHTS = (
    0.08, 0.06, 0.05, 0.05, 0.06, 0.12, 0.30, 0.70, 1.10, 1.30, 1.20, 1.00,
    0.70, 0.80, 1.10, 1.20, 1.10, 1.00, 0.90, 0.80, 0.60, 0.40, 0.25, 0.12,
)  # fmt: skip
REPEATED = 0.05
BURST_EVERY = 4 * HOUR
SLEEP_MAX = 10 * MINUTE  # The next hour may have another weight.

SENDERS = 8
OUTBOX_POSTS = 100  # A full outbox makes reporters and actors wait.
POLL_SECONDS = 20


class World:
    """The tasks that report, act, follow the logs, and send."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        keys: DemoKeys,
        receipts: Receipts,
        speed: float,
        seed: int,
        per_hour: float,
    ) -> None:
        self.receipts = receipts
        self.clock = DistrictClock(speed)
        self.agenda = Agenda(speed)
        run_seed = f"{seed} {receipts.next_number()}"
        self.chance = random.Random(run_seed)  # noqa: S311 A demo, no secret.
        self.platforms = Platforms(receipts, self.clock, self.chance)
        self.people = People(receipts, self.clock, self.agenda, seed)
        self._http = http
        self._keys = keys
        self._per_hour = per_hour
        self._outbox: asyncio.Queue[Post] = asyncio.Queue(OUTBOX_POSTS)
        self._unread = {"routing", "escalation"}

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send())
            for service in sorted(self._unread):
                group.create_task(self._follow(service))
            for work in (self._resend, self._report, self._report_bursts, self._act):
                group.create_task(work())

    # ── Reading ──────────────────────────────────────────────────────────────────────────────────

    async def _follow(self, service: str) -> None:
        """Read a service's log for ever. People act once both logs were read to their heads."""
        after = 0
        while True:
            path = f"/{service}/log/{CODE}?after={after}&wait={POLL_SECONDS}"
            answer = await request(self._http, "GET", path, self._keys.reader)
            for line in answer.content.splitlines():
                row = read_envelope(line)
                after = row.position
                self.people.read(row)
            self.clock.set(int(answer.headers[WATERMARK_HEADER]))
            if after >= int(answer.headers[POSITION_HEADER]):
                self._unread.discard(service)
            if not self._unread and not self.people.active:
                self.people.activate()

    # ── Reporting ────────────────────────────────────────────────────────────────────────────────

    async def _resend(self) -> None:
        """Send the posts of an earlier run that have no answer."""
        for post in list(self.receipts.unanswered.values()):
            await self._outbox.put(post)
        self.receipts.unanswered.clear()

    async def _report(self) -> None:
        """Report issues at the rate of the hour of the day."""
        await self.clock.is_set.wait()
        while True:
            rate = self._per_hour * HOUR_WEIGHTS[self.clock.hour()] / HOUR
            pause = self.chance.expovariate(rate)
            await self.clock.sleep(min(pause, SLEEP_MAX))
            if pause <= SLEEP_MAX:
                await self._plan_sending(self.platforms.report_any())

    async def _report_bursts(self) -> None:
        await self.clock.is_set.wait()
        while True:
            await self.clock.sleep(self.chance.expovariate(1 / BURST_EVERY))
            await self._plan_sending(self.platforms.report_burst())

    async def _plan_sending(self, posts: Iterator[TimedPost]) -> None:
        """Send posts at their times, and some of them twice."""
        for seconds, post in posts:
            await self._send_after(seconds, post)
            if self.chance.random() < REPEATED:
                repeat = replace(post, number=self.receipts.next_number())
                await self._send_after(seconds + self.chance.uniform(0, SLEEP_MAX), repeat)

    async def _send_after(self, seconds: float, post: Post) -> None:
        """Record a post now, and send it in so many seconds of the district."""
        self.receipts.record_sending(post, self.clock.now())
        if seconds <= 0:
            await self._outbox.put(post)
        else:
            self.agenda.add(seconds, lambda: post)

    # ── Acting and sending ───────────────────────────────────────────────────────────────────────

    async def _act(self) -> None:
        """Do the tasks of the agenda.

        A person's action is recorded only now, because until now something could overtake it.
        """
        while True:
            task = await self.agenda.next()
            post = task()
            if post is None:
                continue
            if post.source == PEOPLE:
                self.receipts.record_sending(post, self.clock.now())
            await self._outbox.put(post)
            if post.source == PEOPLE and self.chance.random() < REPEATED:
                self._repeat(post)

    def _repeat(self, post: Post) -> None:
        """Schedule the same action again, as if somebody pressed the button twice."""
        self.agenda.add(
            self.chance.uniform(0, MINUTE),
            lambda: replace(post, number=self.receipts.next_number()),
        )

    async def _send(self) -> None:
        while True:
            post = await self._outbox.get()
            key = self._keys.secret_of(post.source)
            answer = await request(self._http, "POST", post.path, key, post.body)
            self.receipts.record_answer(post, self.clock.now(), answer.status_code, answer.json())


async def run_world(
    url: str, keys: DemoKeys, folder: Path, speed: float, seed: int, per_hour: float = PER_HOUR
) -> None:
    """Report and act at the intake API of `url` until cancelled.

    Receipts go to `folder`. `speed` is the number of the district's seconds in a second.
    """
    receipts = Receipts(folder)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=POLL_SECONDS + 10) as http:
            await World(http, keys, receipts, speed, seed, per_hour).run()
    finally:
        receipts.close()
