"""The simulated traffic: platforms, receipts, people, the agenda and the client."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from eventlog.core.row import Row
from events.catalogue import (
    LINES,
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
from events.instants import HOUR_US, Instant, instant
from gridcall.demo.keys import PEOPLE
from gridcall.demo.licheng.platforms import PLATFORMS
from gridcall.demo.licheng.units import CODE, ZONE
from gridcall.demo.live import HISTORY_US, monday_morning
from gridcall.demo.traffic.agenda import Agenda
from gridcall.demo.traffic.client import KeyRefused, request
from gridcall.demo.traffic.clock import DistrictClock
from gridcall.demo.traffic.history import History, PastPost
from gridcall.demo.traffic.people import People
from gridcall.demo.traffic.plans import Plan, plan_case
from gridcall.demo.traffic.platforms import Platforms
from gridcall.demo.traffic.receipts import Post, Receipts
from intake.api_keys import ApiKey
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue
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


# ── Platforms ─────────────────────────────────────────────────────────────────────────────────────


def clock_at(time: Instant) -> DistrictClock:
    clock = DistrictClock(60)
    clock.set(time)
    return clock


def thousand_posts(folder: Path) -> list[tuple[float, Post]]:
    platforms = Platforms(Receipts(folder), clock_at(MONDAY), random.Random(1))
    return [timed for _ in range(1000) for timed in platforms.report_any()]


def is_valid(post: Post) -> bool:
    """Return True if intake would accept it."""
    try:
        (parse_issue if post.line else parse_action)(post.body.encode())
    except Exception:
        return False
    return True


def test_about_one_issue_in_a_hundred_is_broken_and_intake_accepts_all_others(
    tmp_path: Path,
) -> None:
    posts = [post for _, post in thousand_posts(tmp_path)]
    refused = [post for post in posts if not is_valid(post)]
    assert 3 <= len(refused) <= 25
    assert all(post.line for post in refused)


def test_all_lines_and_all_platforms_report_and_places_come_in_four_ways(tmp_path: Path) -> None:
    issues = [post for _, post in thousand_posts(tmp_path) if post.line and is_valid(post)]
    assert len({post.source for post in issues}) == 17
    assert {post.line for post in issues} == {"grid", "sentiment", "hotline", "petition"}
    places = Counter(
        next(iter(json.loads(post.body).get("place", {"nothing": 1}))) for post in issues
    )
    assert places["point"] > places["grid"] > places["street"] > places["nothing"] > 0


def test_some_actions_come_before_their_issue_and_some_issues_late(tmp_path: Path) -> None:
    sent = thousand_posts(tmp_path)
    early = {
        json.loads(post.body)["issue"]["reference"] for _, post in sent if "visit_made" in post.body
    }
    after = {post.reference: seconds for seconds, post in sent if post.line}
    assert early
    assert all(after[reference] > 0 for reference in early)
    assert any(seconds >= 300 for seconds in after.values())


def test_the_same_seed_sends_the_same(tmp_path: Path) -> None:
    assert thousand_posts(tmp_path / "one") == thousand_posts(tmp_path / "other")


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


def test_after_a_restart_unanswered_posts_are_known_and_numbers_continue(tmp_path: Path) -> None:
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


# ── People ────────────────────────────────────────────────────────────────────────────────────────


class Scenario:
    """People who read a case, and their next actions."""

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

    def next_action(self) -> dict[str, Any]:
        """Return the next action, empty if something has overtaken it."""

        async def next_post() -> Post | None:
            return (await asyncio.wait_for(self.agenda.next(), 5))()

        post = asyncio.run(next_post())
        return {} if post is None else dict(json.loads(post.body))


def call_to(to: str) -> CallRaised:
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


def test_the_gridworker_visits_and_resolves_and_another_person_verifies(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, Plan(MONDAY, 600))
    done = [scenario.next_action()]
    scenario.read("cases", CaseVisited(case=CASE, holder=HOLDER, by="w"))
    done.append(scenario.next_action())
    scenario.read("cases", CaseResolved(case=CASE, holder=HOLDER, by="w", root_cause="worn_out"))
    done.append(scenario.next_action())
    assert [each["type"] for each in done] == [
        "visit_made",
        "resolution_claimed",
        "resolution_checked",
    ]
    assert [each["by"] for each in done] == [HOLDER.worker, HOLDER.worker, "370112001-verifier"]
    assert all(each["issue"] == {"id": CASE} for each in done)


def test_the_district_acknowledges_and_answers_every_call(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, Plan(None, 600))
    scenario.read("calls", call_to("district"))
    done = [each for each in (scenario.next_action() for _ in range(3)) if each]
    assert {"acknowledgement_given", "answer_given"} <= {each["type"] for each in done}


def test_a_forgotten_case_begins_with_the_answer_to_its_call(tmp_path: Path) -> None:
    people = Scenario(tmp_path, Plan(None, 600)).people
    answer = CallAnswered(case=CASE, holder=HOLDER, call=f"{CASE}/1", by="o")
    people.read(Row("calls", CODE, 9, MONDAY + 7, 0, 1, CASE, 9, "", answer))
    assert people.plans[CASE] == Plan(MONDAY + 7, 600)


def test_one_short_deadline_in_six_is_missed_and_hardly_one_of_fifteen_days() -> None:
    def count_missed(hours: int) -> int:
        due = MONDAY + hours * HOUR_US
        plans = [plan_case(MONDAY, due, random.Random(i)) for i in range(1000)]
        return sum(plan.begins is None or plan.seconds > hours * 3600 for plan in plans)

    assert 120 < count_missed(2) < 230
    assert count_missed(15 * 24) < 20


@pytest.mark.parametrize("moments", range(6))
async def test_a_cancelled_agenda_ends_even_while_a_task_is_added(moments: int) -> None:
    agenda = Agenda(60)
    agenda.add(7200, lambda: None)
    waiting = asyncio.create_task(agenda.next())
    await asyncio.sleep(0)
    agenda.add(3600, lambda: None)
    for _ in range(moments):
        await asyncio.sleep(0)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert done


# ── An intake that is busy, and one that refuses the key ──────────────────────────────────────────


def answer_to(*answers: httpx.Response) -> tuple[httpx.Response, list[bytes]]:
    """Return the last of several answers, and the bodies that were sent for them."""
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


def test_a_post_that_a_busy_intake_refuses_is_sent_again_unchanged() -> None:
    answer, sent = answer_to(httpx.Response(503, headers={"retry-after": "0"}), httpx.Response(202))
    assert (answer.status_code, sent) == (202, [b"{}", b"{}"])


def test_a_refused_key_is_not_used_again() -> None:
    with pytest.raises(KeyRefused, match="401"):
        answer_to(httpx.Response(401))


# ── The history ───────────────────────────────────────────────────────────────────────────────────


def test_a_visitor_comes_into_a_morning_with_open_calls_and_overdue_cases(tmp_path: Path) -> None:
    key = ApiKey("k", CODE, "s", frozenset(LINES))
    sources = (*(platform.source for platform in PLATFORMS), PEOPLE)
    keys = {source: key._replace(source=source) for source in sources}
    morning = monday_morning(datetime(2026, 11, 26, tzinfo=ZoneInfo(ZONE)))

    def run(folder: Path) -> tuple[list[PastPost], People]:
        history = History(keys, Receipts(folder), morning - HISTORY_US, morning)
        return asyncio.run(history.run()), history.people

    posts, people = run(tmp_path / "one")
    assert [post.at for post in posts] == sorted(post.at for post in posts)
    assert posts[-1].at < morning
    assert any(post.item is None for post in posts), "some programs send what is refused"
    assert {call.event.to_level for call in people.calls.values()} == {"street", "district"}
    assert len(people.cases) >= 50
    again, _ = run(tmp_path / "two")
    assert [past[:3] for past in again] == [past[:3] for past in posts], "the same in each week"
