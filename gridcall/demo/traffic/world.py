"""The world outside gridcall: 17 platforms that report, and people who visit, resolve, verify, close and answer calls.

It knows the demo district and speaks HTTP, nothing else: it posts to the door and follows the logs of routing and escalation,
as a back office would. Whatever a platform sends is written to `receipts.ndjson` before it is sent, and then its answer; a
restart sends again what was never answered. What people do follows from the logs alone: the same row leads to the same
reference, so that acting on it twice changes nothing.

How often, how late and how wrong: all numbers here are this demo's, and its people work at night as by day. Times are the
district's, which may run faster than ours.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import click
import httpx
import msgspec

from eventlog.codec import opened
from eventlog.core.row import Row
from eventlog.http_log import HEAD, PASSED
from events.catalogue import (
    Assignment,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseClosed,
    CaseEndedAtSource,
    CaseQueued,
    CaseReopened,
    CaseResolved,
    CaseRouted,
    CaseVerified,
    CaseVisited,
    CaseWithdrawn,
    CaseWithheld,
    ClockStarted,
    ClockStopped,
    DeadlineRule,
    Event,
    ResolutionRejected,
)
from events.deadlines import due
from events.errors import GridcallError
from events.instants import EPOCH, MICROSECOND, Instant, rfc3339
from gridcall.demo.licheng.district import (
    CODE,
    PLATFORMS,
    SOUTH_E7,
    UNIT_E7,
    WEST_E7,
    ZONE,
    boxes,
    streets,
)

PEOPLE = "people"  # The source by which people post their actions.
MINUTE, HOUR = 60.0, 3600.0  # Seconds of the district.

PER_HOUR = 60.0  # Issues in an hour of weight 1: at 60 times the pace, one a second.
WEIGHTS = (
    0.08, 0.06, 0.05, 0.05, 0.06, 0.12, 0.30, 0.70, 1.10, 1.30, 1.20, 1.00,
    0.70, 0.80, 1.10, 1.20, 1.10, 1.00, 0.90, 0.80, 0.60, 0.40, 0.25, 0.12,
)  # fmt: skip
REPEATED, LATE, EARLY, BROKEN = 0.05, 0.025, 0.025, 0.01
WITHDRAWN, REOPENED, REJECTED = 0.015, 0.02, 0.05
BURST_EVERY = 4 * HOUR

SENDERS = 8
WAITING = 100  # Posts that wait for a sender; beyond that whoever makes more waits too.
POLL_SECONDS = 20
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.5, 5.0
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class KeyRefused(GridcallError):
    """The door does not know a key, or not for this: make it anew. Nothing can be sent until then."""


class Keys(msgspec.Struct, frozen=True):
    """`keys.json`: a secret for each platform, one for people's actions (of any line), one for reading logs."""

    platforms: dict[str, str]
    people: str
    reader: str

    def of(self, source: str) -> str:
        """The secret by which a source posts."""
        return self.people if source == PEOPLE else self.platforms[source]


# ── What is sent, and its receipts ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Post:
    """One thing to be sent. `reference` is None where the body has none that the door could read."""

    number: int
    source: str
    line: str | None
    reference: str | None
    body: str

    @property
    def path(self) -> str:
        return f"/issues/{self.line}" if self.line else "/actions"

    def identity(self) -> dict[str, Any]:
        """What each line about it begins with."""
        return {
            "post": self.number, "district": CODE, "kind": "issue" if self.line else "action", "source": self.source,
            "line": self.line, "reference": self.reference,
        }  # fmt: skip


class Receipts:
    """`receipts.ndjson`: a line before a post is sent (status 0), and one for its answer.

    Lines are handed to the operating system one by one, so that the end of this process loses none of them.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "receipts.ndjson"
        self.statuses: Counter[int] = Counter()
        self.unanswered: dict[int, Post] = {}
        self._last = 0
        self._read_again()
        self._file = self.path.open("ab", buffering=0)

    def _read_again(self) -> None:
        """What an earlier run wrote; half a line at the end is cut off."""
        if not self.path.exists():
            return
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    whole += len(line)
                    self._remember(json.loads(line))
        os.truncate(self.path, whole)

    def _remember(self, receipt: Mapping[str, Any]) -> None:
        number = receipt["post"]
        self._last = max(self._last, number)
        if receipt["status"]:
            self.unanswered.pop(number, None)
        else:
            self.unanswered[number] = Post(
                number, *(receipt[name] for name in ("source", "line", "reference", "body"))
            )

    def number(self) -> int:
        """A number that no post had before."""
        self._last += 1
        return self._last

    def sending(self, post: Post, at: Instant) -> Post:
        """Write down that a post is about to be sent."""
        self._write({**post.identity(), "status": 0, "sent": at, "body": post.body})
        return post

    def answered(self, post: Post, at: Instant, status: int, answer: Mapping[str, Any]) -> None:
        """Write down what the door said: the id and position of what it took, else why it refused."""
        said = {"id": answer.get("id"), "pos": answer.get("position"), "why": answer.get("detail")}
        self._write({**post.identity(), "status": status, "answered": at, **said})
        self.statuses[status] += 1

    def _write(self, receipt: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(receipt, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        self._file.close()


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """The district's time, as the door last told it and as it must have gone on since."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.known = asyncio.Event()
        self._told, self._heard = 0, 0.0

    def hear(self, passed: Instant) -> None:
        """The door says how far time has passed; before it has a time at all, it has not."""
        if passed > 0:
            self._told, self._heard = passed, monotonic()
            self.known.set()

    def now(self) -> Instant:
        return self._told + int((monotonic() - self._heard) * self.speed * 1e6)

    def hour(self) -> int:
        """The hour of the day in the district."""
        return (EPOCH + self.now() * MICROSECOND).astimezone(ZoneInfo(ZONE)).hour

    def until(self, at: Instant) -> float:
        """Seconds of the district until an instant; negative where it is over."""
        return (at - self.now()) / 1e6

    async def sleep(self, seconds: float) -> None:
        """Sleep so many seconds of the district."""
        await asyncio.sleep(seconds / self.speed)


Todo = Callable[[], Post | None]


class Agenda:
    """What is to be done when. What was overtaken by then gives no post."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._heap: list[tuple[float, int, Todo]] = []
        self._count = 0
        self._changed = asyncio.Event()

    def put(self, seconds: float, todo: Todo) -> None:
        """Something to do in so many seconds of the district."""
        self._count += 1
        heapq.heappush(
            self._heap, (monotonic() + max(0.0, seconds) / self._speed, self._count, todo)
        )
        self._changed.set()

    async def next(self) -> Todo:
        """What is due next, as soon as it is due."""
        while True:
            self._changed.clear()
            left = self._heap[0][0] - monotonic() if self._heap else None
            if left is not None and left <= 0:
                return heapq.heappop(self._heap)[2]
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    left
                ):  # Python 3.11's wait_for forgets a cancellation that comes with the event.
                    await self._changed.wait()


# ── What the platforms report ────────────────────────────────────────────────────────────────────────────────────────

SHARES = {"grid": 46, "hotline": 33, "sentiment": 15, "petition": 6}
ABOUT = {
    "grid": {
        "noise": 6, "rubbish": 12, "drainage": 5, "road": 7, "streetlight": 6, "tree": 4, "parking": 9, "dogs": 4,
        "neighbours": 8, "fire_lane": 7, "elderly": 6, "stalls": 7, "property": 3, "building": 2, "food": 1,
    },
    "hotline": {
        "noise": 10, "parking": 8, "property": 9, "water": 5, "power": 4, "gas": 2, "heating": 8, "rubbish": 5, "drainage": 4,
        "road": 4, "streetlight": 3, "dogs": 3, "advice": 8, "wages": 3, "schools": 2, "conduct": 1, "food": 3, "stalls": 3,
    },
    "sentiment": {
        "noise": 5, "rubbish": 4, "road": 5, "heating": 4, "property": 6, "schools": 5, "food": 4, "building": 3, "parking": 4,
        "conduct": 2, "wages": 2,
    },
    "petition": {"land": 6, "wages": 5, "building": 4, "property": 5, "schools": 2, "conduct": 2, "neighbours": 2, "advice": 1},
}  # fmt: skip
DESKS = {
    "water": "water-desk",
    "power": "power-desk",
    "heating": "heat-desk",
}  # Of the hotline, each for its own matter.
GRAVE = {
    "gas": (20, 40, 40),
    "fire_lane": (55, 35, 10),
    "water": (50, 45, 5),
    "power": (50, 45, 5),
    "tree": (60, 30, 10),
}
USUAL = (84, 13, 3)  # In a hundred: normal, urgent, life.
PLACES = {"point": 62, "grid": 25, "street": 9, "nothing": 4}
SOURCES = {
    line: [
        each.source for each in PLATFORMS if each.line == line and each.source not in DESKS.values()
    ]
    for line in SHARES
}
STORM, FAILURE = ("drainage", "tree", "drainage", "power"), ("water",)


def one_of(chance: random.Random, shares: Mapping[str, int]) -> str:
    """One of several, by their shares."""
    return chance.choices(list(shares), list(shares.values()))[0]


@cache
def grids_by_street() -> dict[str, list[str]]:
    """The codes of the grids of each street."""
    return {
        street.code: [code for code in sorted(boxes()) if code.startswith(street.code)]
        for street in streets()
    }


@cache
def all_grids() -> list[str]:
    """The codes of all grids."""
    return sorted(boxes())


def point_in(grid: str, chance: random.Random) -> dict[str, float]:
    """A point within a grid of the schematic map."""
    x, y, width, height = boxes()[grid]
    east, north = x + width * chance.uniform(0.05, 0.95), y + height * chance.uniform(0.05, 0.95)
    return {
        "lat": round((SOUTH_E7 + UNIT_E7[1] * north) / 1e7, 7),
        "lon": round((WEST_E7 + UNIT_E7[0] * east) / 1e7, 7),
    }


def place_of(grid: str, chance: random.Random) -> dict[str, Any] | None:
    """What a line knows of a place: a point, the grid's code, the street's, or nothing."""
    by = one_of(chance, PLACES)
    if by == "point":
        return {"point": point_in(grid, chance)}
    return {"grid": {"grid": grid}, "street": {"street": grid[:9]}}.get(by)


def issue_about(category: str, grid: str, chance: random.Random) -> dict[str, Any]:
    """An issue without its reference."""
    urgency = chance.choices(("normal", "urgent", "life"), GRAVE.get(category, USUAL))[0]
    place = place_of(grid, chance)
    return {"category": category, "urgency": urgency, **({"place": place} if place else {})}


def source_of(line: str, category: str, chance: random.Random) -> str:
    """Which platform of a line posts it."""
    return (
        DESKS[category] if line == "hotline" and category in DESKS else chance.choice(SOURCES[line])
    )


def broken(post: Post, chance: random.Random) -> Post:
    """An issue as a faulty program would send it: with a field too many, a point beside the Earth, no reference, no end."""
    issue = json.loads(post.body)
    nameless = {name: value for name, value in issue.items() if name != "reference"}
    reference, body = chance.choice((
        (post.reference, json.dumps({**issue, "priority": 1})),
        (post.reference, json.dumps({**issue, "place": {"point": {"lat": 361.2, "lon": 117.1}}})),
        (None, json.dumps(nameless)),
        (None, post.body[:-1]),
    ))  # fmt: skip
    return replace(post, reference=reference, body=body)


class Platforms:
    """What 17 platforms send, and when. Each thing comes with the seconds of the district after which it is sent."""

    def __init__(self, receipts: Receipts, clock: Clock, chance: random.Random) -> None:
        self._receipts = receipts
        self._clock = clock
        self._chance = chance

    def anything(self) -> Iterator[tuple[float, Post]]:
        """An issue as it comes on any day."""
        line = one_of(self._chance, SHARES)
        category = one_of(self._chance, ABOUT[line])
        yield from self.report(line, category, self._chance.choice(all_grids()), 0)

    def burst(self) -> Iterator[tuple[float, Post]]:
        """A storm over a street, or no water in a community."""
        if self._chance.random() < 0.6:
            street = self._chance.choice(sorted(grids_by_street()))
            yield from self._many(
                grids_by_street()[street], ("grid", "grid", "hotline"), STORM, 40, HOUR
            )
        else:
            community = self._chance.choice(all_grids())[:12]
            inside = [code for code in all_grids() if code.startswith(community)]
            yield from self._many(
                inside, ("hotline", "hotline", "sentiment"), FAILURE, 25, HOUR / 2
            )

    def _many(
        self,
        grids: Sequence[str],
        lines: Sequence[str],
        categories: Sequence[str],
        count: int,
        within: float,
    ) -> Iterator[tuple[float, Post]]:
        for _ in range(count):
            line, category, grid = (
                self._chance.choice(some) for some in (lines, categories, grids)
            )
            yield from self.report(line, category, grid, self._chance.uniform(0, within))

    def report(
        self, line: str, category: str, grid: str, after: float
    ) -> Iterator[tuple[float, Post]]:
        """An issue, as it should come, or broken, or late, or behind an action about it; some are withdrawn."""
        post, luck = self._issue(line, category, grid), self._chance.random()
        if luck < BROKEN:
            yield after, broken(post, self._chance)
        elif luck < BROKEN + LATE:
            yield after + self._chance.uniform(5 * MINUTE, HOUR), post
        elif line == "grid" and luck < BROKEN + LATE + EARLY / SHARES["grid"] * 100:
            yield after, self._about(post, "visit_made", by=f"w-{grid}")
            yield after + self._chance.uniform(MINUTE, 4 * MINUTE), post
        else:
            yield after, post
        if luck > 1 - WITHDRAWN:
            yield (
                after + self._chance.uniform(HOUR / 2, 3 * HOUR),
                self._about(post, "issue_withdrawn", because="settled"),
            )

    def _issue(self, line: str, category: str, grid: str) -> Post:
        """An issue under the next number."""
        source, number = source_of(line, category, self._chance), self._receipts.number()
        issue = {
            "reference": f"{source}-{number:06}",
            **issue_about(category, grid, self._chance),
            **self._promise(line),
        }
        return Post(number, source, line, issue["reference"], json.dumps(issue))

    def _promise(self, line: str) -> dict[str, Any]:
        """Some petitions come with the deadline that the petition office promised."""
        if line != "petition" or self._chance.random() < 0.6:
            return {}
        days = DeadlineRule(
            line=line,
            category="*",
            urgency="*",
            amount=self._chance.choice((5, 15, 60)),
            unit="days",
        )
        return {"due": rfc3339(due(days, self._clock.now(), ZONE))}

    def _about(self, post: Post, kind: str, **said: str) -> Post:
        """An action of a platform about an issue of its own, which it knows by its reference."""
        number = self._receipts.number()
        reference = f"{post.source}-{number:06}"
        named = {"line": post.line, "reference": post.reference}
        body = {"reference": reference, "type": kind, "issue": named, **said}
        return Post(number, post.source, None, reference, json.dumps(body))


# ── What people do ───────────────────────────────────────────────────────────────────────────────────────────────────

NEXT = {"queued": "place_named", "routed": "visit_made", "visited": "resolution_claimed", "resolved": "resolution_checked",
        "verified": "closing_asked"}  # fmt: skip
BY_THEN = {
    "routed": 0.3,
    "visited": 0.7,
    "resolved": 0.88,
    "verified": 1.0,
}  # Of the time that a case takes in all.
ROOT_CAUSES = ("worn_out", "behaviour", "unclear_rule", "weather", "building_works", "supplier")
LONG, LONGER = (
    9 * HOUR,
    60 * HOUR,
)  # Limits beyond which less is forgotten: nobody waits until the last day.
# Which share ends late, and which is forgotten until somebody calls: of short limits, of long ones, of longer ones.
MISSED = ((0.12, 0.05), (0.04, 0.015), (0.005, 0.002))
STAGES: dict[type[Any], str] = {
    CaseQueued: "queued", CaseRouted: "routed", CaseWithheld: "routed", CaseReopened: "routed", CaseVisited: "visited",
    ResolutionRejected: "visited", CaseResolved: "resolved", CaseVerified: "verified",
}  # fmt: skip
ENDS = (CaseClosed, CaseWithdrawn, CaseEndedAtSource)


@dataclass(slots=True)
class Case:
    """An open case as the people of its level know it. `pos` and `at`: the row of `cases` that brought it to its stage."""

    id: str
    stage: str
    position: int
    at: Instant
    holder: Assignment


@dataclass(frozen=True, slots=True)
class Plan:
    """When a case will have been handled: it begins, and takes so many seconds. None: it is forgotten until a call."""

    begins: Instant | None
    takes: float


def planned(case: str, started: Instant, due: Instant, chance: random.Random) -> Plan:
    """How a case with a deadline will go."""
    limit = max((due - started) / 1e6, 10 * MINUTE)
    late, silent = MISSED[(limit > LONG) + (limit > LONGER)]
    luck = chance.random()
    if luck < silent:
        return Plan(None, chance.uniform(HOUR / 2, 3 * HOUR))
    if luck < silent + late:
        return Plan(started, limit + chance.uniform(HOUR / 2, 3 * HOUR))
    return Plan(
        started,
        min(limit * 0.9 * chance.betavariate(2, 3), 6 * HOUR * chance.lognormvariate(0, 0.6)),
    )


class People:
    """Gridworkers, verifiers, dispatchers and officers. Of what they read they keep what is open: cases, clocks, calls.

    They act once both logs were read to their ends (`live`), on whatever is then open.
    """

    def __init__(self, receipts: Receipts, clock: Clock, agenda: Agenda, seed: int) -> None:
        self.cases: dict[str, Case] = {}
        self.calls: dict[str, Row] = {}
        self.live = False
        self._plans: dict[str, Plan] = {}
        self._set: set[tuple[str, int]] = set()
        self._receipts = receipts
        self._clock = clock
        self._agenda = agenda
        self._seed = seed

    def chance(self, *about: object) -> random.Random:
        """Chance that falls the same way for the same thing, also after a restart."""
        return random.Random(f"{self._seed} {' '.join(map(str, about))}")  # noqa: S311 A demo, no secret.

    def begin(self) -> None:
        """Everything was read: act on what is open."""
        self.live = True
        for case in list(self.cases.values()):
            self._go_on(case.id)
        for row in list(self.calls.values()):
            self._hear_call(row)

    # Reading

    def read(self, row: Row) -> None:
        """A row of routing's or escalation's log."""
        if row.log == "cases":
            self._read_case(row, row.event)
        else:
            self._read_call(row, row.event)

    def _read_case(self, row: Row, event: Event) -> None:
        if isinstance(event, ENDS):
            self._forget(event.case)
            if (
                isinstance(event, CaseClosed)
                and self.live
                and self.chance("reopens", row.position).random() < REOPENED
            ):
                self._reopen(event.case, row.position)
        elif stage := STAGES.get(type(event)):
            self.cases[row.subject] = Case(
                row.subject, stage, row.position, row.time, holder_in(event)
            )
            self._go_on(row.subject)

    def _read_call(self, row: Row, event: Event) -> None:
        match event:
            case ClockStarted(case=case, started=started, due=due, run=run):
                self._plans[case] = planned(case, started, due, self.chance("plan", case, run))
                self._go_on(case)
            case ClockStopped(case=case):
                self._plans.pop(case, None)
            case CallRaised(call=call):
                self.calls[call] = row
                if self.live:
                    self._hear_call(row)
            case CallWithdrawn(call=call):
                self.calls.pop(call, None)
            case CallAnswered(case=case, call=call):
                self.calls.pop(call, None)
                self._remind(case, row.time)

    def _forget(self, case: str) -> None:
        ended = self.cases.pop(case, None)
        if ended:
            self._set.discard((case, ended.position))

    def _remind(self, case: str, at: Instant) -> None:
        """Somebody answered a call: what was forgotten is begun."""
        plan = self._plans.get(case)
        if plan and plan.begins is None:
            self._plans[case] = replace(plan, begins=at)
            self._go_on(case)

    # Acting on a case

    def _go_on(self, case_id: str) -> None:
        """Put the next step of a case on the agenda, once."""
        case, plan = self.cases.get(case_id), self._plans.get(case_id)
        if not self.live or case is None or (case.id, case.position) in self._set:
            return
        after = self._seconds_until(case, plan)
        if after is not None:
            self._set.add((case.id, case.position))
            self._agenda.put(after, lambda: self._step(case))

    def _seconds_until(self, case: Case, plan: Plan | None) -> float | None:
        """How long until the next step; None where it waits: for its clock, or for a call."""
        chance = self.chance("pause", case.id, case.position)
        soonest = case.at + int(chance.uniform(MINUTE, 5 * MINUTE) * 1e6)
        if case.stage == "queued":
            return self._clock.until(case.at) + chance.uniform(10 * MINUTE, 50 * MINUTE)
        if plan is None or plan.begins is None:
            return None
        share = BY_THEN[case.stage] * chance.uniform(0.85, 1.0)
        return self._clock.until(max(soonest, plan.begins + int(plan.takes * share * 1e6)))

    def _step(self, case: Case) -> Post | None:
        """The next step of a case, if nothing else happened to it in the meantime."""
        self._set.discard((case.id, case.position))
        if self.cases.get(case.id) is not case:
            return None
        kind, chance = NEXT[case.stage], self.chance("step", case.id, case.position)
        return self._action(
            kind, case.position, case.id, by=by_whom(case), **self._said(kind, case.holder, chance)
        )

    def _said(self, kind: str, holder: Assignment, chance: random.Random) -> dict[str, Any]:
        """What an action says beside who did it."""
        match kind:
            case "place_named":
                return {
                    "grid": chance.choice(grids_by_street().get(holder.street or "") or all_grids())
                }
            case "resolution_claimed":
                return {"root_cause": chance.choice(ROOT_CAUSES)}
            case "resolution_checked":
                return {"holds": chance.random() >= REJECTED}
        return {}

    def _reopen(self, case: str, position: int) -> None:
        """It flares up again, or whoever reported it is not satisfied."""
        chance = self.chance("reopening", position)
        because = chance.choice(("recurrence", "unsatisfied"))
        self._agenda.put(
            chance.uniform(HOUR / 2, 6 * HOUR),
            lambda: self._action("reopening_asked", position, case, because=because),
        )

    def _action(self, kind: str, position: int, case: str, **said: Any) -> Post:
        """An action, named by the row that it follows from. A case has the id of its issue."""
        reference = f"{kind}-{position:06}"
        body = {"reference": reference, "type": kind, "issue": {"id": case}, **said}
        return Post(self._receipts.number(), PEOPLE, None, reference, json.dumps(body))

    # Acting on a call

    def _hear_call(self, row: Row) -> None:
        """Most streets acknowledge and answer in time, some late, some never; the district always answers."""
        assert isinstance(row.event, CallRaised)
        chance, street = self.chance("call", row.position), row.event.to_level == "street"
        over, luck = self._clock.until(row.time), chance.random()
        if luck < 0.8 or not street:
            self._agenda.put(
                over + chance.uniform(3, 22) * MINUTE,
                lambda: self._say(row, "acknowledgement_given"),
            )
            self._agenda.put(
                over + chance.uniform(25, 55) * MINUTE, lambda: self._say(row, "answer_given")
            )
        elif luck < 0.9:
            self._agenda.put(
                over + chance.uniform(65, 100) * MINUTE, lambda: self._say(row, "answer_given")
            )

    def _say(self, row: Row, kind: str) -> Post | None:
        """What an officer or the deputy says to a call, if it is still open."""
        call = row.event
        assert isinstance(call, CallRaised)
        if call.call not in self.calls:
            return None
        deputy = self.chance("deputy", row.position).random() < 0.2
        by = (
            call.receiver.deputy if deputy else call.receiver.officer
        ) or f"{call.receiver.unit}-desk"
        return self._action(kind, row.position, call.case, call=call.call, by=by)


def holder_in(event: Any) -> Assignment:
    """Who holds a case after an event that says so."""
    assert isinstance(event.holder, Assignment)
    return event.holder


def by_whom(case: Case) -> str:
    """Who does the next step: whoever holds it, but somebody else verifies, and a dispatcher says where it lies."""
    holder = case.holder
    unit = holder.district if holder.level == "district" or holder.street is None else holder.street
    match case.stage:
        case "queued":
            return f"{unit}-dispatcher"
        case "resolved":
            return f"{unit}-verifier"
    return holder.worker or f"{unit}-desk"


# ── All together ─────────────────────────────────────────────────────────────────────────────────────────────────────


class World:
    """Platforms and people at work."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        keys: Keys,
        receipts: Receipts,
        speed: float,
        seed: int,
        per_hour: float,
    ) -> None:
        self.receipts = receipts
        self.clock = Clock(speed)
        self.agenda = Agenda(speed)
        self.chance = random.Random(f"{seed} {receipts.number()}")  # noqa: S311 A demo, no secret.
        self.platforms = Platforms(receipts, self.clock, self.chance)
        self.people = People(receipts, self.clock, self.agenda, seed)
        self._http = http
        self._keys = keys
        self._per_hour = per_hour
        self._outbox: asyncio.Queue[Post] = asyncio.Queue(WAITING)
        self._ends: dict[str, bool] = {"routing": False, "escalation": False}

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send())
            for service in self._ends:
                group.create_task(self._follow(service))
            for work in (self._again, self._report, self._burst, self._act):
                group.create_task(work())

    # Reading

    async def _follow(self, service: str) -> None:
        """Read a log for ever, and say once that its end was reached."""
        after = 0
        while True:
            path = f"/{service}/log/{CODE}?after={after}&wait={POLL_SECONDS}"
            answer = await asked_until_answered(self._http, "GET", path, self._keys.reader)
            for line in answer.content.splitlines():
                row = opened(line)
                after = row.position
                self.people.read(row)
            self.clock.hear(int(answer.headers[PASSED]))
            if after >= int(answer.headers[HEAD]) and not self.people.live:
                self._at_its_end(service)

    def _at_its_end(self, service: str) -> None:
        self._ends[service] = True
        if all(self._ends.values()):
            self.people.begin()

    # Reporting

    async def _again(self) -> None:
        """Send what an earlier run sent, and of which it never heard."""
        for post in list(self.receipts.unanswered.values()):
            await self._outbox.put(post)
        self.receipts.unanswered.clear()

    async def _report(self) -> None:
        """Issues by the hour of the day. Of a long quiet no more than ten minutes are slept at once: the hour may change."""
        await self.clock.known.wait()
        while True:
            pause = self.chance.expovariate(self._per_hour * WEIGHTS[self.clock.hour()] / HOUR)
            await self.clock.sleep(min(pause, 10 * MINUTE))
            if pause <= 10 * MINUTE:
                await self._take(self.platforms.anything())

    async def _burst(self) -> None:
        await self.clock.known.wait()
        while True:
            await self.clock.sleep(self.chance.expovariate(1 / BURST_EVERY))
            await self._take(self.platforms.burst())

    async def _take(self, posts: Iterator[tuple[float, Post]]) -> None:
        """Write down what a platform will send, and send it when it is time."""
        for seconds, post in posts:
            await self._take_one(seconds, post)
            if self.chance.random() < REPEATED:
                again = replace(post, number=self.receipts.number())
                await self._take_one(seconds + self.chance.uniform(0, 10 * MINUTE), again)

    async def _take_one(self, seconds: float, post: Post) -> None:
        self.receipts.sending(post, self.clock.now())
        if seconds <= 0:
            await self._outbox.put(post)
        else:
            self.agenda.put(seconds, lambda: post)

    # Acting and sending

    async def _act(self) -> None:
        """Do what is on the agenda. What people do is written down as late as this, for until now it could be overtaken."""
        while True:
            todo = await self.agenda.next()
            post = todo()
            if post is None:
                continue
            if post.source == PEOPLE:
                self.receipts.sending(post, self.clock.now())
            await self._outbox.put(post)
            if post.source == PEOPLE and self.chance.random() < REPEATED:
                self._twice(post)

    def _twice(self, post: Post) -> None:
        """Somebody presses the button twice."""
        self.agenda.put(
            self.chance.uniform(0, MINUTE), lambda: replace(post, number=self.receipts.number())
        )

    async def _send(self) -> None:
        while True:
            post = await self._outbox.get()
            answer = await asked_until_answered(
                self._http, "POST", post.path, self._keys.of(post.source), post.body
            )
            self.receipts.answered(post, self.clock.now(), answer.status_code, answer.json())


async def asked_until_answered(
    http: httpx.AsyncClient, method: str, path: str, key: str, body: str | None = None
) -> httpx.Response:
    """An answer, however often it takes. Raises KeyRefused where asking again is of no use."""
    headers = {
        "authorization": f"Bearer {key}",
        **({"content-type": "application/json"} if body else {}),
    }
    while True:
        pause = PAUSE_SECONDS
        with suppress(httpx.TransportError):
            answer = await http.request(method, path, content=body, headers=headers)
            if answer.status_code in (401, 403):
                raise KeyRefused(
                    f"{method} {path} was answered {answer.status_code}: {answer.text}"
                )
            if answer.status_code not in AGAIN:
                return answer
            pause = pause_of(answer)
        await asyncio.sleep(pause)


def pause_of(answer: httpx.Response) -> float:
    """How long the door asks to wait before the same is sent again."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), PAUSE_SECONDS_MAX) if said.isdecimal() else PAUSE_SECONDS


async def lines(
    url: str, keys: Keys, folder: Path, speed: float, seed: int, per_hour: float = PER_HOUR
) -> None:
    """Report and act at the door of `url` until cancelled; receipts go to `folder`. `speed`: seconds of the district in one."""
    receipts = Receipts(folder)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=POLL_SECONDS + 10) as http:
            await World(http, keys, receipts, speed, seed, per_hour).run()
    finally:
        receipts.close()


async def until_told(work: Coroutine[Any, Any, None], *, input_too: bool) -> None:
    """Run until SIGTERM or Ctrl-C; with `input_too` also until standard input ends, as it does with whoever started this."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for blow in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(blow, task.cancel)
    if input_too:
        loop.add_reader(0, lambda: os.read(0, 4096) or task.cancel())
    with suppress(asyncio.CancelledError):
        await task


@click.command()
@click.option("--url", required=True, help="The door.")
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="keys.json, receipts.ndjson.",
)
@click.option(
    "--speed", default=60.0, show_default=True, help="Seconds of the district in a second."
)
@click.option("--seed", default=1, show_default=True, help="Decides what chance does.")
@click.option(
    "--per-hour", default=PER_HOUR, show_default=True, help="Issues in a busy hour of the district."
)
@click.option("--until-input-ends", is_flag=True, help="End with standard input.")
def main(
    url: str, folder: Path, speed: float, seed: int, per_hour: float, until_input_ends: bool
) -> None:
    """Play the world outside gridcall: lines that report, people who act."""
    keys = msgspec.json.decode((folder / "keys.json").read_bytes(), type=Keys)
    try:
        asyncio.run(
            until_told(lines(url, keys, folder, speed, seed, per_hour), input_too=until_input_ends)
        )
    except ExceptionGroup as faults:
        if rest := faults.split(KeyRefused)[1]:
            raise rest from None
        raise click.ClickException(str(faults.exceptions[0])) from None


if __name__ == "__main__":
    main()
