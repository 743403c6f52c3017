"""The routes of the screen on a running system, for those who have a key."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from screen.routes import STATIC_FILES
from tests.harness.commands import read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute, fetch_rows
from tests.harness.waiting import wait_until


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    asyncio.run(execute(postgres, "CREATE DATABASE screen TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/screen?")
    key = adopt_exampleville(url)
    process = Process(url)
    yield process, key
    assert process.end() == 0


def basic(key: str) -> dict[str, str]:
    """Return the header by which a browser sends a key."""
    return {"Authorization": "Basic " + base64.b64encode(f"me:{key}".encode()).decode()}


def first_message(url: str, key: str, fits: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the first message of the live stream that fits."""
    with httpx.stream(
        "GET", f"{url}/screen/exampleville/live", headers=basic(key), timeout=30
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                message: dict[str, Any] = json.loads(line[6:])
                if fits(message):
                    return message
    raise AssertionError("the stream ended")


def test_a_posted_issue_is_on_the_live_stream_with_its_life_and_its_reasons(
    live: tuple[Process, str],
) -> None:
    process, key = live
    with client(process.url, key) as http:
        answer = http.post(
            "/issues/hotline",
            json=issue("L-1", due="2020-01-01T00:00:00Z"),
            headers={"prefer": "wait=10"},
        )
    case = answer.json()["id"]
    message = first_message(process.url, key, lambda message: message["ladder"]["street"])
    assert message["totals"] | {"open": 1, "overdue": 1, "calling": 1} == message["totals"]
    assert [shown["reference"] for shown in message["lines"]["hotline"]["latest"]] == ["L-1"]
    (call,) = message["ladder"]["street"]
    assert (call["case"], call["because"], call["to"]) == (case, "deadline", "street")
    assert message["grids"][call["grid"]] == [1, 1, 1]
    assert message["events"][0]["events"] == ["deadline-missed", "call-raised.street"]
    life = httpx.get(f"{process.url}/screen/exampleville/cases/{case}", headers=basic(key)).json()
    assert life["why_here"]["by"] == "point"
    assert life["why_due"]["rule"] == "line"
    assert [each["events"] for each in life["timeline"]] == [
        ["issue-reported"],
        ["case-reported", "case-routed"],
        ["clock-started"],
        ["deadline-missed", "call-raised.street"],
    ]
    url = f"{process.url}/screen/exampleville/cases"
    overdue = httpx.get(url, params={"list": "overdue"}, headers=basic(key)).json()
    assert (overdue["count"], [shown["case"] for shown in overdue["cases"]]) == (1, [case])
    assert not any(
        "by" in each["detail"] or "worker" in each["detail"] for each in life["timeline"]
    )


def test_the_lists_have_the_cases_that_are_counted(live: tuple[Process, str]) -> None:
    process, key = live
    with client(process.url, key) as http:
        for number in range(3):
            body = issue(f"P-{number}", due="2020-01-01T00:00:00Z")
            http.post("/issues/hotline", json=body, headers={"prefer": "wait=10"})

    def get(path: str, **query: str) -> Any:
        url = f"{process.url}/screen/exampleville/{path}"
        return httpx.get(url, params=query, headers=basic(key)).json()

    def is_settled(message: dict[str, Any]) -> bool:
        return bool(message["lines"]["hotline"]["accepted"] == message["totals"]["calling"] >= 3)

    message = first_message(process.url, key, is_settled)
    for name in ("open", "overdue", "calling", "queued", "parked", "ended"):
        listed = get("cases", list=name)
        assert listed["count"] == len(listed["cases"]) == message["totals"][name]
        assert listed["next"] is None
    accepted = get("cases", list="accepted", line="hotline")
    assert accepted["cases"][0]["reference"] == "P-2", "the newest is first"
    grid = accepted["cases"][0]["grid"]
    assert get("cases", list="open", grid=grid)["count"] == message["grids"][grid][0]
    calls = get("calls", level="street")
    assert {each["to"] for each in calls["calls"]} == {"street"}
    assert [each["reference"] for each in get("search", q="P-")["cases"]] == ["P-0", "P-1", "P-2"]
    assert get("search", q=" P-1 ")["cases"][0]["reference"] == "P-1"
    assert get("search", q="f" * 32)["cases"] == get("search", q="")["cases"] == []
    assert get("cases", list="nobody")["status"] == 404
    assert get("cases", list="open", after="x")["status"] == 422
    assert get("calls", level="grid")["status"] == 422


def test_an_operator_rebuilds_the_read_model_of_a_running_screen(
    live: tuple[Process, str],
) -> None:
    process, _ = live
    served = "SELECT id FROM screen.model WHERE state = 'live'"
    wait_until(lambda: len(fetch_rows(process.database, served)) == 1)
    ((before,),) = fetch_rows(process.database, served)
    read_output(process.database, "rebuild", "--district", "exampleville")
    wait_until(lambda: fetch_rows(process.database, served)[0][0] > before)
    wait_until(lambda: len(fetch_rows(process.database, "SELECT FROM screen.model")) == 1)
    refused = run_on_database(process.database, "rebuild", "--district", "nowhere")
    assert (refused.returncode, "no live model" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("language", "title"), [("en", "The page is not available now"), ("zh", "页面暂时无法显示")]
)
def test_without_its_database_the_page_says_so_and_asks_again(
    live: tuple[Process, str], language: str, title: str
) -> None:
    process, _ = live
    unknown = {**basic(f"gck_{language}{'x' * 40}"), "accept-language": language}
    asyncio.run(execute(process.database, "ALTER TABLE intake.key RENAME TO key_that_is_away"))
    try:
        answer = httpx.get(process.url, headers=unknown)
        problem = httpx.get(f"{process.url}/screen/exampleville/map", headers=unknown)
    finally:
        asyncio.run(execute(process.database, "ALTER TABLE intake.key_that_is_away RENAME TO key"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{title}</h1>" in answer.text
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert (problem.status_code, problem.json()["status"]) == (503, 503), "for programs"


def test_the_map_is_drawn_and_compressed(live: tuple[Process, str]) -> None:
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
    [
        "/",
        "/screen/exampleville/map",
        "/screen/exampleville/live",
        "/screen/exampleville/cases?list=overdue",
        "/screen/exampleville/calls?level=street",
        "/screen/exampleville/search?q=x",
        "/screen/exampleville/cases/x",
    ],
)
def test_nobody_sees_the_screen_without_a_key(live: tuple[Process, str], path: str) -> None:
    process, _ = live
    refused = httpx.get(process.url + path)
    assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
    assert httpx.get(process.url + path, headers=basic("gck_wrong")).status_code == 401
    read_output(process.database, "district", "add", "other")
    other = read_output(
        process.database, "key", "add", "--district", "other", "--source", "x", "--line", "log"
    ).strip()
    if "exampleville" in path:
        assert httpx.get(process.url + path, headers=basic(other)).status_code == 403


def test_the_page_speaks_the_language_of_the_browser_and_loads_nothing_from_other_sites(
    live: tuple[Process, str],
) -> None:
    process, key = live
    for accepted, language in (
        ("zh-CN,zh;q=0.9", 'lang="zh'),
        ("en-GB", 'lang="en'),
        ("fr", 'lang="zh'),
    ):
        page = httpx.get(process.url, headers={**basic(key), "Accept-Language": accepted})
        assert language in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http://" not in page.text.replace("http://www.w3.org/", "")
        assert "https://" not in page.text
    assert 'lang="en' in httpx.get(process.url, params={"lang": "en"}, headers=basic(key)).text


def test_the_page_names_every_file_that_it_loads(live: tuple[Process, str]) -> None:
    process, key = live
    page = httpx.get(process.url, headers=basic(key)).text
    assert set(re.findall(r'"/static/screen/([^"]+)"', page)) == set(STATIC_FILES)


@pytest.mark.parametrize(
    "path",
    [
        "/static/screen/app.py",
        "/static/screen/..%2Fapp.py",
        "/screen/nowhere/map",
        "/screen/exampleville/cases/x",
    ],
)
def test_an_unknown_path_is_answered_by_a_problem(live: tuple[Process, str], path: str) -> None:
    process, key = live
    answer = httpx.get(process.url + path, headers=basic(key))
    assert answer.status_code in (403, 404)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/screen/exampleville/cases/%00",
        "/screen/exampleville/cases?list=open&line=%00",
        "/screen/exampleville/cases?list=open&grid=%00",
        "/log/exampleville%00",
    ],
)
def test_an_address_with_nul_reaches_no_table(live: tuple[Process, str], path: str) -> None:
    process, key = live
    answer = httpx.get(process.url + path, headers=basic(key))
    assert answer.status_code == 400
    assert "take it out" in answer.json()["detail"]


SERVICE_KEY = "the-services-own-key"
CAUGHT_UP = """
SELECT e.pos FROM escalation.shard e, routing.shard r, intake.shard i
WHERE e.input = r.pos AND r.input = i.pos AND e.pos > 0
"""


def test_clients_that_wait_for_rows_do_not_delay_the_end_of_the_server(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not let them go cuts them off after some seconds, without an answer."""
    monkeypatch.setenv("GRIDCALL_SERVICE_KEY", SERVICE_KEY)
    key = adopt_exampleville(database)
    process = Process(database)
    statuses: list[int] = []

    def poll() -> None:
        with client(process.url, key) as http:
            query = {"after": last[0]["pos"], "wait": 30}
            answer = http.get("/escalation/log/exampleville", params=query)
            statuses.append(answer.status_code)

    polling = threading.Thread(target=poll)
    with httpx.stream(
        "GET", f"{process.url}/screen/exampleville/live", headers=basic(key), timeout=30
    ) as stream:
        lines = stream.iter_lines()
        while not (last := fetch_rows(database, CAUGHT_UP)):
            next(lines)
        polling.start()
        wait_until(lambda: open_requests(process) == 2)
        assert process.end() == 0
        assert list(lines)[-1:] == [""], "the stream ends with a whole message"
    polling.join()
    assert statuses == [200]
    assert process.running.stderr is not None
    assert "Traceback" not in process.running.stderr.read()


def open_requests(process: Process) -> float:
    """Return the number of live pages and waiting readers of a process."""
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    metrics = httpx.get(f"{process.url}/metrics", headers=headers).text
    counts = re.findall(r"^gridcall_requests_open\{.*waiting readers\"\} (.+)$", metrics, re.M)
    return sum(map(float, counts))
