"""A stage of two logs writes the same rows for any cut of both, also if its owner dies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assessment.stage import assessment_stages
from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Progress, Row
from eventlog.runner import Runner
from events import catalogue as e
from events.errors import Unavailable
from events.instants import DAY_US

CITY = "city"
END = 400 * DAY_US
ZONES = ("Asia/Shanghai", "Europe/Dublin", "America/New_York")
STAGES = assessment_stages()

# Days of rows, so that many are at one instant; some of `cases` bring policies of a zone.
cases_rows = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([None, None, None, *ZONES])), max_size=25
)
calls_rows = st.lists(st.integers(0, 300), max_size=25)


class Failing(MemoryLog):
    """A log whose next commit may fail, before it takes place."""

    fails = False

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        if self.fails:
            self.fails = False
            raise Unavailable("the log is away")
        await super().commit(shard, rows, progress)


def rows_of(log: str, events: Sequence[tuple[int, e.Event]]) -> list[Row]:
    """Return rows of a log, in the order of their days."""
    rows: list[Row] = []
    counts: dict[str, int] = {}
    for position, (day, event) in enumerate(sorted(events, key=lambda each: each[0]), 1):
        subject = REFERENCE if isinstance(event, e.PoliciesAdopted) else "c"
        counts[subject] = count = counts.get(subject, 0) + 1
        rows.append(Row(log, CITY, position, day * DAY_US, 0, 1, subject, count, "", event))
    return rows


def written_rows(cases: list[tuple[int, str | None]], calls: list[int]) -> dict[str, list[Row]]:
    """Return the rows of both logs. Policies are in both, as escalation passes them on."""
    quiet = e.CaseRetried(case="c")
    of_cases = [
        (
            day,
            e.PoliciesAdopted(name=zone, zone=zone, answer_within=None, limits=())
            if zone
            else quiet,
        )
        for day, zone in cases
    ]
    passed_on = [each for each in of_cases if each[1] is not quiet]
    of_calls = [*passed_on, *((day, quiet) for day in calls)]
    return {"cases": rows_of("cases", of_cases), "calls": rows_of("calls", of_calls)}


class City:
    """Both logs, that of the stage, and its owner, who may die."""

    def __init__(self) -> None:
        self.sink = Failing("evaluations")
        self.logs = {log.name: log for log in (MemoryLog("cases"), MemoryLog("calls"), self.sink)}
        self.owner: Runner[Any, Any] | None = None

    async def work(self, batch: int, *, whole: bool) -> None:
        """Let the owner go on, or a new one if there is none."""
        if self.owner is None:
            self.owner = STAGES.processor(CITY, self.logs, batch)
            await self.owner.replay()
        try:
            await (self.owner.catch_up() if whole else self.owner.step())
        except Unavailable:
            self.owner = None

    async def finish(self, left: dict[str, list[Row]]) -> list[Row]:
        """Write all that is left, let time pass, and return the rows of the stage."""
        for name, rows in left.items():
            await self.logs[name].commit(CITY, rows)
            await self.logs[name].announce(CITY, END)
        self.sink.fails = False
        await self.work(100, whole=True)
        return list(await self.sink.read(CITY, 0, 10_000))


@given(cases_rows, calls_rows, st.integers(0, 2**32))
def test_any_cut_of_both_logs_with_deaths_between_any_two_commits_gives_one_log(
    cases: list[tuple[int, str | None]], calls: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    whole = written_rows(cases, calls)

    async def run() -> None:
        expected = await City().finish(whole)
        city, left = City(), {name: list(rows) for name, rows in whole.items()}
        for _ in range(30):
            # One log may be far behind the other, or silent for long.
            name = chance.choices(("cases", "calls"), (chance.randint(1, 9), 2))[0]
            count = chance.randint(0, 4)
            await city.logs[name].commit(CITY, left[name][:count])
            del left[name][:count]
            latest = left[name][0].time if left[name] else END
            if chance.random() < 0.7:
                await city.logs[name].announce(CITY, chance.randint(0, latest))
            city.sink.fails = chance.random() < 0.2
            await city.work(chance.randint(1, 5), whole=chance.random() < 0.6)
            if chance.random() < 0.3:
                city.owner = None
        assert await city.finish(left) == expected

    asyncio.run(run())


async def test_another_owner_goes_on_in_the_middle_of_one_instant() -> None:
    rows = written_rows([(3, "Asia/Shanghai"), (3, None), (3, "Europe/Dublin")], [3, 3])
    expected = await City().finish(rows)
    for batch in range(1, 8):
        city = City()
        for name in rows:
            await city.logs[name].commit(CITY, rows[name])
            await city.logs[name].announce(CITY, 4 * DAY_US)
        for _ in range(8):
            await city.work(batch, whole=False)
            city.owner = None
        assert await city.finish({"cases": [], "calls": []}) == expected


async def test_the_time_of_the_stage_is_that_of_the_log_that_is_further_behind() -> None:
    city = City()
    rows = written_rows([(3, "Asia/Shanghai"), (200, None)], [])
    await city.logs["cases"].commit(CITY, rows["cases"])
    await city.logs["cases"].announce(CITY, END)
    await city.logs["calls"].commit(CITY, rows["calls"])
    await city.logs["calls"].announce(CITY, 90 * DAY_US)
    await city.work(100, whole=True)
    assert (await city.sink.watermark(CITY)).watermark == 90 * DAY_US
    months = [row.event for row in await city.sink.read(CITY, 0, 99)]
    periods = [event.period for event in months if isinstance(event, e.MonthFinished)]
    assert periods == ["1970-01", "1970-02", "1970-03"], "in Shanghai it is 8 hours later"
