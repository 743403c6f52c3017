"""The screen: its view is the fold of the logs, its routes tell what happened, and who may look."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.notifier import Notifier
from events import catalogue as e
from screen.follower import Follower
from screen.payloads import timeline, whole
from screen.projection import View
from tests.harness.city import ANN, DAY
from tests.harness.commands import read_output
from tests.harness.exampleville import issue
from tests.harness.histories import END, drafts_of, histories, run
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute, fetch_rows

LOGS = ("intake", "cases", "calls")


def told(view: View) -> dict[str, Any]:
    """All that a view tells."""
    cases = {name: timeline(case) for name, case in view.cases.items()}
    return {**whole(view, -1), "cases": cases}


def fresh(rows: list[Row]) -> View:
    view = View()
    for log in LOGS:
        view.take([row for row in rows if row.log == log])
    return view


def as_followed(rows: list[Row]) -> View:
    """Each row of `cases`, then what follows from it in `calls`."""
    view, calls = View(), [row for row in rows if row.log == "calls"]
    for row in rows:
        if row.log == "cases":
            view.take([row])
            view.take([call for call in calls if call.input == row.position])
    return view


@settings(max_examples=60, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_the_view_equals_a_fresh_fold_however_its_logs_were_read(
    history: list[Any], chance: random.Random
) -> None:
    rows = run(drafts_of(history, strict=False))
    left = {log: [row for row in rows if row.log == log] for log in LOGS}
    view = View()
    while any(left.values()):
        log = chance.choice([log for log, more in left.items() if more])
        count = chance.randint(1, 5)
        view.take(left[log][:count])
        del left[log][:count]
    assert told(view) == told(fresh(rows))


class Tape:
    """Writes rows of `cases` by hand."""

    def __init__(self) -> None:
        self.position = 0

    def row(self, case: str, event: e.Event) -> Row:
        self.position += 1
        return Row(
            "cases",
            "city",
            self.position,
            self.position,
            self.position,
            1,
            case,
            1,
            f"intake/city/{self.position}",
            event,
        )

    def life(self, case: str) -> list[Row]:
        matter = e.CaseFacts(
            line="hotline", category="Noise", urgency="normal", reported=0, due=None
        )
        return [
            self.row(
                case, e.CaseReported(case=case, issue=case, reference=case, matter=matter, rules=())
            ),
            self.row(case, e.CaseClosed(case=case, holder=ANN, by="eve")),
        ]


@pytest.mark.parametrize("late", ["declined", "reopened"])
def test_a_case_that_is_told_of_again_is_not_forgotten_in_the_same_look(
    late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.projection.REMEMBERED", 3)
    tape, view, matter = (
        Tape(),
        View(),
        e.CaseFacts(line="hotline", category="Noise", urgency="normal", reported=0, due=None),
    )
    for case in "ABC":
        view.take(tape.life(case))
    declined, reopened = (
        e.InputDeclined(case="A", input_id="x", because="over"),
        e.CaseReopened(case="A", matter=matter, holder=ANN, because="recurrence"),
    )
    view.take([*tape.life("D"), tape.row("A", declined if late == "declined" else reopened)])
    assert "A" in view.cases
    assert "B" not in view.cases or late == "reopened"
    for case in "EFGH":
        view.take(tape.life(case))
        whole(view, -1)
    view.take([tape.row("A", e.CaseClosed(case="A", holder=ANN, by="eve"))])
    assert (view.totals["open"], len(view.running)) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(histories)
def test_what_is_counted_is_what_is_there(history: list[Any]) -> None:
    view = fresh(run(drafts_of(history, strict=False)))
    cases = [case for case in view.cases.values() if case.counted]
    assert view.totals["open"] == sum(case.open for case in cases)
    assert view.totals["overdue"] == sum(case.open and case.missed for case in cases)
    assert sum(len(calls) for calls in view.called.values()) == sum(
        len(case.calls) for case in cases
    )
    for name in ("open", "overdue", "calling"):
        in_grids = sum(counts[name] for counts in view.grids.values())
        nowhere = sum(view_counts(case, name) for case in cases if case.grid is None)
        assert (
            in_grids + nowhere
            == view.totals[name]
            == sum(counts[name] for counts in view.lines.values())
        )


def view_counts(case: Any, name: str) -> bool:
    return bool(
        {"open": case.open, "overdue": case.open and case.missed, "calling": case.calls}[name]
    )


def ended(*names: str) -> list[Draft]:
    """These cases are reported, and end."""
    claims = (e.PlaceClaim(by="grid", code="0101"),)
    reports = [
        e.IssueReported(
            issue=name,
            source="s",
            line="hotline",
            reference=name,
            category="Rubbish",
            urgency="normal",
            due=9 * DAY,
            claims=claims,
            rules=(),
        )
        for name in names
    ]
    ends = [
        e.EndedAtSource(action=f"{name}#", issue=name, outcome="closed", rules=()) for name in names
    ]
    happened: list[Any] = [*reports, *ends]
    return [
        *drafts_of([], strict=False),
        *(Draft(DAY, str(i), event) for i, event in enumerate(happened)),
    ]


def test_ended_cases_are_forgotten_and_counted_on_and_known_again_when_they_reopen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("screen.projection.REMEMBERED", 1)
    drafts = ended("a", "b", "c")
    view = as_followed(run(drafts))
    assert (list(view.cases), view.totals["ended"], view.totals["open"]) == (["c"], 3, 0)
    view = as_followed(
        run(
            [
                *drafts,
                Draft(
                    2 * DAY,
                    "again",
                    e.ReopeningAsked(action="again", issue="a", because="recurrence"),
                ),
            ]
        )
    )
    assert (set(view.cases), view.totals["ended"], view.totals["open"]) == ({"a", "c"}, 2, 1)


def test_a_follower_takes_causes_before_what_follows_and_nothing_is_late() -> None:
    rows = run(ended("a", "b"))

    async def followed() -> Follower:
        logs = {name: MemoryLog(name) for name in LOGS}
        for name in ("cases", "calls"):
            await logs[name].commit("city", [row for row in rows if row.log == name])
        await logs["intake"].append("city", ended("a", "b"))
        for log in logs.values():
            await log.announce("city", END)
        follower = Follower("city", logs, Notifier(), 60.0)
        while await follower.step():
            pass
        await follower.look()
        return follower

    follower = asyncio.run(followed())
    assert told(follower.view)["totals"] == told(fresh(rows))["totals"]
    assert follower.lag() == {"cases": 0, "calls": 0, "rows": 0, "seconds": 0}
    assert follower.now == END


# ── Live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    asyncio.run(execute(postgres, "CREATE DATABASE screen TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/screen?")
    key = adopt_exampleville(url)
    process = Process(url)
    yield process, key
    assert process.end() == 0


def basic(key: str) -> dict[str, str]:
    """As a browser sends it."""
    return {"Authorization": "Basic " + base64.b64encode(f"me:{key}".encode()).decode()}


def first_message(url: str, key: str, wanted: Any = lambda said: True) -> dict[str, Any]:
    """The first message of the live stream that is wanted."""
    with httpx.stream(
        "GET", f"{url}/screen/exampleville/live", headers=basic(key), timeout=30
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and wanted(said := json.loads(line[6:])):
                found: dict[str, Any] = said
                return found
    raise AssertionError("the stream ended")


def test_what_is_posted_is_on_the_live_stream_with_its_life_and_its_reasons(
    live: tuple[Process, str],
) -> None:
    process, key = live
    with client(process.url, key) as door:
        answer = door.post(
            "/issues/hotline",
            json=issue("L-1", due="2020-01-01T00:00:00Z"),
            headers={"prefer": "wait=10"},
        )
    case = answer.json()["id"]
    said = first_message(process.url, key, lambda said: said["ladder"]["street"])
    assert said["totals"] | {"open": 1, "overdue": 1, "calling": 1} == said["totals"]
    assert [shown["reference"] for shown in said["lines"]["hotline"]["latest"]] == ["L-1"]
    (call,) = said["ladder"]["street"]
    assert (call["case"], call["because"], call["to"]) == (case, "deadline", "street")
    assert said["grids"][call["grid"]] == [1, 1, 1]
    assert [event["type"] for event in said["events"]][:2] == ["call-raised", "deadline-missed"]
    life = httpx.get(f"{process.url}/screen/exampleville/cases/{case}", headers=basic(key)).json()
    assert life["why_here"]["by"] == "point"
    assert life["why_due"]["rule"] == "line"
    words = [each["type"] for each in life["timeline"]]
    assert words == [
        "issue-reported",
        "case-reported",
        "case-routed",
        "clock-started",
        "deadline-missed",
        "call-raised",
    ]
    assert not any(
        "by" in each["detail"] or "worker" in each["detail"] for each in life["timeline"]
    )


def test_the_map_is_drawn_and_packed(live: tuple[Process, str]) -> None:
    process, key = live
    answer = httpx.get(f"{process.url}/screen/exampleville/map", headers=basic(key))
    assert answer.headers["content-encoding"] == "gzip"
    grids = answer.json()["grids"]
    assert grids
    assert all(path.startswith("M") and path.endswith("z") for _, _, _, path in grids)
    assert [dedicated for _, _, dedicated, _ in grids] == sorted(
        dedicated for _, _, dedicated, _ in grids
    )


@pytest.mark.parametrize(
    "path",
    ["/", "/screen/exampleville/map", "/screen/exampleville/live", "/screen/exampleville/cases/x"],
)
def test_nobody_looks_without_a_key(live: tuple[Process, str], path: str) -> None:
    process, _ = live
    asks = httpx.get(process.url + path)
    assert (asks.status_code, asks.headers["www-authenticate"][:5]) == (401, "Basic")
    assert httpx.get(process.url + path, headers=basic("gck_wrong")).status_code == 401
    elsewhere = read_output(
        process.database, "key", "add", "--district", "elsewhere", "--source", "x", "--line", "log"
    ).strip()
    if "exampleville" in path:
        assert httpx.get(process.url + path, headers=basic(elsewhere)).status_code == 401


def test_the_page_speaks_the_language_of_the_browser_and_loads_nothing_from_elsewhere(
    live: tuple[Process, str],
) -> None:
    process, key = live
    for asked_for, language in (
        ("zh-CN,zh;q=0.9", 'lang="zh'),
        ("en-GB", 'lang="en'),
        ("fr", 'lang="zh'),
    ):
        page = httpx.get(process.url, headers={**basic(key), "Accept-Language": asked_for})
        assert language in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http://" not in page.text.replace("http://www.w3.org/", "")
        assert "https://" not in page.text
    assert 'lang="en' in httpx.get(process.url, params={"lang": "en"}, headers=basic(key)).text


@pytest.mark.parametrize(
    "path",
    [
        "/static/screen/app.py",
        "/static/screen/..%2Fapp.py",
        "/screen/nowhere/map",
        "/screen/exampleville/cases/x",
    ],
)
def test_what_is_not_there_is_a_problem(live: tuple[Process, str], path: str) -> None:
    process, key = live
    answer = httpx.get(process.url + path, headers=basic(key))
    assert answer.status_code in (401, 404)
    assert answer.headers["content-type"] == "application/problem+json"


CAUGHT_UP = """
SELECT e.pos FROM escalation.shard e, routing.shard r, intake.shard i WHERE e.input = r.pos AND r.input = i.pos AND e.pos > 0
"""


def test_whoever_waits_for_what_is_to_come_does_not_hold_the_server_up_when_it_ends(
    database: str,
) -> None:
    key = adopt_exampleville(database)
    process = Process(database)
    told: list[int] = []

    def poll() -> None:
        with client(process.url, key) as door:
            told.append(
                door.get(
                    "/escalation/log/exampleville", params={"after": last[0]["pos"], "wait": 30}
                ).status_code
            )

    polling = threading.Thread(target=poll)
    with httpx.stream(
        "GET", f"{process.url}/screen/exampleville/live", headers=basic(key), timeout=30
    ) as stream:
        lines = stream.iter_lines()
        while not (last := fetch_rows(database, CAUGHT_UP)):
            next(lines)
        polling.start()
        for _ in range(4):  # Two messages, a second apart: the poll has come in meanwhile.
            next(lines)
        process.running.send_signal(signal.SIGTERM)
        assert process.running.wait(timeout=8) == 0
    polling.join(timeout=8)
    assert told == [200]
    assert process.running.stderr is not None
    assert "Traceback" not in process.running.stderr.read()
