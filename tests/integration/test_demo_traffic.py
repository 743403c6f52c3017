"""The world outside the demo: its posts, its restart, and that gridcall loses none of them."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from eventlog.core.row import Row
from events.catalogue import (
    Assignment,
    CallAnswered,
    CallRaised,
    CaseFacts,
    CaseResolved,
    CaseRouted,
    CaseVisited,
    ClockStarted,
    Event,
    OnCall,
    Versions,
)
from events.instants import HOUR_US, instant
from gridcall.demo.licheng.units import CODE
from gridcall.demo.live import prepare_demo
from gridcall.demo.traffic.agenda import Agenda
from gridcall.demo.traffic.client import PEOPLE, KeyRefused, Keys, request
from gridcall.demo.traffic.clock import DistrictClock
from gridcall.demo.traffic.people import People
from gridcall.demo.traffic.plans import Plan, plan_case
from gridcall.demo.traffic.platforms import Platforms
from gridcall.demo.traffic.receipts import Post, Receipts
from gridcall.demo.traffic.world import run_world
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue
from tests.harness.chaos.one_database import BEHIND
from tests.harness.commands import database_environment
from tests.harness.live import Process
from tests.harness.paths import ROOT
from tools.checker.examination import check
from tools.checker.receipts import read_receipts

SPEED, PER_HOUR = 3600.0, 25.0
MONDAY = instant(datetime(2026, 11, 23, 1, tzinfo=UTC))
CASE = "0" * 32
HOLDER = Assignment(
    level="grid",
    grid="370112001001001",
    street="370112001",
    district=CODE,
    worker="w-370112001001001",
    episode=1,
)
MATTER = CaseFacts(line="grid", category="rubbish", urgency="normal", reported=MONDAY, due=None)


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────


def clock_at(instant_: int) -> DistrictClock:
    clock = DistrictClock(60)
    clock.set(instant_)
    return clock


def a_thousand(folder: Path) -> list[tuple[float, Post]]:
    platforms = Platforms(Receipts(folder), clock_at(MONDAY), random.Random(1))
    return [sent for _ in range(1000) for sent in platforms.report_any()]


def is_taken(post: Post) -> bool:
    """Tell if intake would accept it."""
    try:
        (parse_issue if post.line else parse_action)(post.body.encode())
    except Exception:
        return False
    return True


def test_about_one_issue_in_a_hundred_is_broken_and_intake_accepts_all_others(
    tmp_path: Path,
) -> None:
    posts = [post for _, post in a_thousand(tmp_path)]
    refused = [post for post in posts if not is_taken(post)]
    assert 3 <= len(refused) <= 25
    assert all(post.line for post in refused)


def test_all_lines_and_all_platforms_report_and_places_come_in_four_ways(tmp_path: Path) -> None:
    issues = [post for _, post in a_thousand(tmp_path) if post.line and is_taken(post)]
    assert len({post.source for post in issues}) == 17
    assert {post.line for post in issues} == {"grid", "sentiment", "hotline", "petition"}
    places = Counter(
        next(iter(json.loads(post.body).get("place", {"nothing": 1}))) for post in issues
    )
    assert places["point"] > places["grid"] > places["street"] > places["nothing"] > 0


def test_some_actions_come_before_their_issue_and_some_issues_late(tmp_path: Path) -> None:
    sent = a_thousand(tmp_path)
    early = {
        json.loads(post.body)["issue"]["reference"] for _, post in sent if "visit_made" in post.body
    }
    after = {post.reference: seconds for seconds, post in sent if post.line}
    assert early
    assert all(after[reference] > 0 for reference in early)
    assert any(seconds >= 300 for seconds in after.values())


def test_the_same_seed_sends_the_same(tmp_path: Path) -> None:
    assert a_thousand(tmp_path / "one") == a_thousand(tmp_path / "other")


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


def test_what_was_never_answered_is_known_again_and_numbers_go_on(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    answered, unanswered = (
        Post(receipts.next_number(), "grid-app", "grid", f"r-{i}", "{}") for i in range(2)
    )
    for post in (answered, unanswered):
        receipts.record_sending(post, MONDAY)
    receipts.record_answer(answered, MONDAY, 202, {"id": "x", "position": 7})
    receipts.close()
    with receipts.path.open("a") as file:
        file.write('{"post": 3, "sta')
    again = Receipts(tmp_path)
    assert list(again.unanswered.values()) == [unanswered]
    assert again.next_number() == 3
    again.record_sending(Post(3, "grid-app", "grid", "r-3", "{}"), MONDAY)
    assert [receipt["post"] for receipt in read_receipts(again.path)] == [1, 2, 1, 3]


# ── What people do ────────────────────────────────────────────────────────────────────────────────


class Story:
    """People who read a case, and what they then do, in order."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.agenda, self._position = Agenda(1e9), 0
        self.people = People(Receipts(folder), clock_at(MONDAY), self.agenda, 1)
        self.people.activate()
        used = Versions(None, None, None)
        self.read(
            "cases",
            CaseRouted(
                case=CASE, matter=MATTER, holder=HOLDER, located_by="grid", rules=(), used=used
            ),
        )
        self.read(
            "calls",
            ClockStarted(
                case=CASE,
                holder=HOLDER,
                run=1,
                started=MONDAY,
                due=MONDAY + HOUR_US,
                rule="",
                policies=None,
            ),
        )
        self.people.plans[CASE] = plan

    def read(self, log: str, event: Event) -> None:
        self._position += 1
        self.people.read(
            Row(log, CODE, self._position, MONDAY, 0, 1, CASE, self._position, "", event)
        )

    def does(self) -> dict[str, Any]:
        """Return the next post, or nothing."""

        async def next_one() -> Post | None:
            return (await asyncio.wait_for(self.agenda.next(), 5))()

        post = asyncio.run(next_one())
        return {} if post is None else dict(json.loads(post.body))


def a_call(to: str) -> CallRaised:
    unit = "370112001" if to == "street" else CODE
    receiver = OnCall(unit, f"{unit}-officer", f"{unit}-deputy")
    return CallRaised(
        case=CASE,
        holder=HOLDER,
        call=f"{CASE}/1",
        from_level="grid",
        to_level=to,  # type: ignore[arg-type]
        receiver=receiver,
        because="deadline",
        answer_due=None,
    )


def test_the_gridworker_visits_and_resolves_and_somebody_else_verifies(tmp_path: Path) -> None:
    story = Story(tmp_path, Plan(MONDAY, 600))
    done = [story.does()]
    story.read("cases", CaseVisited(case=CASE, holder=HOLDER, by="w"))
    done.append(story.does())
    story.read("cases", CaseResolved(case=CASE, holder=HOLDER, by="w", root_cause="worn_out"))
    done.append(story.does())
    assert [each["type"] for each in done] == [
        "visit_made",
        "resolution_claimed",
        "resolution_checked",
    ]
    assert [each["by"] for each in done] == [HOLDER.worker, HOLDER.worker, "370112001-verifier"]
    assert all(each["issue"] == {"id": CASE} for each in done)


def test_the_district_acknowledges_and_answers_every_call(tmp_path: Path) -> None:
    story = Story(tmp_path, Plan(None, 600))
    story.read("calls", a_call("district"))
    done = [each for each in (story.does() for _ in range(3)) if each]
    assert {"acknowledgement_given", "answer_given"} <= {each["type"] for each in done}


def test_a_forgotten_case_is_visited_once_somebody_answered_its_call(tmp_path: Path) -> None:
    people = Story(tmp_path, Plan(None, 600)).people
    people.plans[CASE] = Plan(None, 600)
    people.read(
        Row(
            "calls",
            CODE,
            9,
            MONDAY + 7,
            0,
            1,
            CASE,
            9,
            "",
            CallAnswered(case=CASE, holder=HOLDER, call=f"{CASE}/1", by="o"),
        )
    )
    assert people.plans[CASE] == Plan(MONDAY + 7, 600)


def test_one_short_deadline_in_six_is_missed_and_hardly_one_of_fifteen_days() -> None:
    def count_missed(hours: int) -> int:
        due = MONDAY + hours * HOUR_US
        plans = [plan_case(MONDAY, due, random.Random(i)) for i in range(1000)]
        return sum(plan.begins is None or plan.seconds > hours * 3600 for plan in plans)

    assert 120 < count_missed(2) < 230
    assert count_missed(15 * 24) < 20


@pytest.mark.parametrize("moments", range(6))
def test_the_agenda_ends_when_cancelled_even_while_an_entry_is_added(moments: int) -> None:
    async def is_ended() -> bool:
        agenda = Agenda(60)
        agenda.add(7200, lambda: None)
        waiting = asyncio.create_task(agenda.next())
        await asyncio.sleep(0.01)
        agenda.add(3600, lambda: None)
        for _ in range(moments):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        return bool(done)

    assert asyncio.run(is_ended())


# ── An intake that is busy, and one that does not know us ─────────────────────────────────────────


def answer_to(*answers: httpx.Response) -> tuple[httpx.Response, list[bytes]]:
    """Return the last answer to a sender, and the bodies that it sent."""
    sent: list[bytes] = []

    def intake(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return answers[len(sent) - 1]

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            base_url="http://intake", transport=httpx.MockTransport(intake)
        ) as http:
            return await request(http, "POST", "/issues/grid", "key", "{}")

    return asyncio.run(send()), sent


def test_what_a_busy_intake_does_not_take_is_sent_again_as_it_was() -> None:
    answer, sent = answer_to(httpx.Response(503, headers={"retry-after": "0"}), httpx.Response(202))
    assert (answer.status_code, sent) == (202, [b"{}", b"{}"])


def test_a_key_that_is_refused_is_not_tried_again() -> None:
    with pytest.raises(KeyRefused, match="401"):
        answer_to(httpx.Response(401))


# ── All of it, against a running intake ───────────────────────────────────────────────────────────


@pytest.fixture
def intake(database: str, tmp_path: Path) -> Iterator[Process]:
    """Run the demo district at 3,600 times the speed; the keys are in the folder."""
    asyncio.run(prepare_demo(database, tmp_path, SPEED))
    process = Process(database)
    yield process
    process.end(signal.SIGKILL)


def receipts_so_far(folder: Path) -> list[dict[str, Any]]:
    path = folder / "receipts.ndjson"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def enough(receipts: list[dict[str, Any]]) -> bool:
    """A hundred issues, twenty actions of people, an answer to a call, a repeat and a refusal."""
    accepted = [receipt for receipt in receipts if receipt["status"] in (200, 202)]
    issues = sum(receipt["kind"] == "issue" for receipt in accepted)
    acted = Counter(
        (receipt["reference"] or "").partition("-")[0]
        for receipt in accepted
        if receipt["source"] == PEOPLE
    )
    statuses = {receipt["status"] for receipt in receipts}
    return (
        issues >= 100
        and acted.total() >= 20
        and acted["answer_given"] > 0
        and {200, 202, 422} <= statuses
    )


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not holds():
            await asyncio.sleep(0.1)


async def play(url: str, folder: Path, holds: Callable[[], bool]) -> None:
    keys = msgspec.json.decode((folder / "keys.json").read_bytes(), type=Keys)
    playing = asyncio.create_task(run_world(url, keys, folder, SPEED, 1, PER_HOUR))
    await wait_until(lambda: holds() or playing.done())
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing


def play_again(intake: Process, folder: Path, holds: Callable[[], bool]) -> int:
    """The same as a program that is ended by SIGTERM; how it ended."""
    words = [
        "-m",
        "gridcall.demo.traffic",
        "--url",
        intake.url,
        "--folder",
        str(folder),
        "--speed",
        str(SPEED),
    ]
    program = subprocess.Popen(
        [sys.executable, *words, "--per-hour", str(PER_HOUR)],
        cwd=ROOT,
        env=database_environment(intake.database),
    )
    try:
        asyncio.run(wait_until(holds))
        program.terminate()
        return program.wait(10)
    finally:
        program.kill()


async def violations(database: str, folder: Path) -> list[Any]:
    """Return the findings of the checker after all stages have caught up."""
    connection = await asyncpg.connect(database)
    while await connection.fetchval(BEHIND):
        await asyncio.sleep(0.1)
    await connection.close()
    return list(await check(database, read_receipts(folder / "receipts.ndjson")))


def test_lines_report_people_act_and_nothing_is_lost_over_a_restart(
    intake: Process, tmp_path: Path
) -> None:
    asyncio.run(play(intake.url, tmp_path, lambda: enough(receipts_so_far(tmp_path))))
    before = receipts_so_far(tmp_path)
    sent = {receipt["post"] for receipt in before if not receipt["status"]}
    unanswered = sent - {receipt["post"] for receipt in before if receipt["status"]}

    def is_caught_up() -> bool:
        answered = {receipt["post"] for receipt in receipts_so_far(tmp_path) if receipt["status"]}
        return unanswered <= answered and len(answered - sent) >= 20

    assert play_again(intake, tmp_path, is_caught_up) == 0
    fresh = {receipt["post"] for receipt in receipts_so_far(tmp_path)[len(before) :]} - sent
    assert min(fresh) > max(sent)
    assert asyncio.run(violations(intake.database, tmp_path)) == []
