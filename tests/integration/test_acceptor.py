"""The intake API over HTTP, as upstream systems meet it."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import asyncpg
import httpx
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database, open_database
from events.catalogue import RetryAsked
from events.errors import Unavailable
from intake.acceptor import SECOND_COMMIT_ITEMS, Acceptor
from intake.item_codec import item_of
from intake.routes import make_app
from intake.store import IntakeStore
from tests.harness.commands import read_output, read_verification
from tests.harness.exampleville import POINT, issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.senders import SENDER


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    asyncio.run(execute(postgres, "CREATE DATABASE live TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/live?")
    key = adopt_exampleville(url)
    process = Process(url)
    yield process, key
    assert process.end() == 0
    assert "rows are equal" in read_verification(url)


@pytest.fixture
def api(live: tuple[Process, str]) -> Iterator[httpx.Client]:
    with client(live[0].url, live[1]) as made:
        yield made


def count_rows(live: tuple[Process, str]) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(live[0].database)
        return int(await connection.fetchval("SELECT count(*) FROM intake.log"))

    return asyncio.run(count())


# ── What is accepted ──────────────────────────────────────────────────────────────────────────────


def test_an_issue_is_accepted_after_its_commit_with_a_tracking_code(api: httpx.Client) -> None:
    answer = api.post("/issues/hotline", json=issue("D-1"))
    assert answer.status_code == 202
    assert answer.headers["location"] == "/issues/hotline/D-1"
    assert len(answer.json()["tracking"]) == 32


def test_the_same_again_gets_the_first_answer(api: httpx.Client) -> None:
    first, again = (api.post("/issues/hotline", json=issue("D-2")) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    assert {**first.json(), "status": 200} == again.json()


def test_the_same_reference_with_other_content_is_refused_and_names_corrections(
    api: httpx.Client,
) -> None:
    api.post("/issues/hotline", json=issue("D-3"))
    answer = api.post("/issues/hotline", json=issue("D-3", category="Rubbish"))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "correction" in answer.json()["detail"]


def test_an_array_has_a_result_for_each_item_in_their_order(api: httpx.Client) -> None:
    items = [
        issue("D-4"),
        issue("D-5", lat=1),
        issue("D-4"),
        issue("D-4", category="Other"),
        issue("D-6"),
    ]
    answer = api.post("/issues/grid", json=items)
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [202, 422, 200, 409, 202]
    assert results[0]["tracking"] == results[2]["tracking"]
    assert results[4]["position"] == results[0]["position"] + 1
    assert api.post("/issues/grid", json=[issue("D-4"), issue("D-6")]).status_code == 200
    assert api.post("/issues/grid", json=[issue("D-4"), issue("D-7")]).status_code == 202


def test_ndjson_is_answered_line_by_line(api: httpx.Client) -> None:
    body = "\n".join(json.dumps(issue(f"N-{number}")) for number in range(3)) + "\n"
    answer = api.post(
        "/issues/petition", content=body, headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 202
    assert [json.loads(line)["reference"] for line in answer.text.splitlines()] == [
        "N-0",
        "N-1",
        "N-2",
    ]


def test_a_gzipped_body_is_read(api: httpx.Client) -> None:
    body = gzip.compress(json.dumps(issue("G-1")).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert api.post("/issues/hotline", content=body, headers=headers).status_code == 202


def test_a_sender_who_prefers_to_wait_gets_the_outcome(api: httpx.Client) -> None:
    answer = api.post(
        "/issues/hotline", json=issue("W-1"), headers={"prefer": "respond-async, wait=5"}
    )
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=5"
    assert [event["type"] for event in answer.json()["outcome"]["events"]] == [
        "gridcall.case-reported.v1",
        "gridcall.case-routed.v1",
    ]
    action = {
        "reference": "W-1a",
        "type": "closing_asked",
        "by": "w7",
        "issue": {"line": "hotline", "reference": "W-1"},
    }
    outcome = api.post("/actions", json=action, headers={"prefer": "wait=5"}).json()["outcome"]
    assert (outcome["declined"], outcome["because"]) == (
        True,
        "This case is not verified: it cannot be closed.",
    )


def test_an_answer_to_a_call_that_is_not_open_is_declined_by_escalation(
    api: httpx.Client,
) -> None:
    api.post("/issues/hotline", json=issue("W-2"))
    named = {"issue": {"line": "hotline", "reference": "W-2"}, "by": "officer", "call": "x/1"}
    action = {"reference": "W-2a", "type": "answer_given", **named}
    outcome = api.post("/actions", json=action, headers={"prefer": "wait=5"}).json()["outcome"]
    assert (outcome["declined"], outcome["because"]) == (True, "This call is not open.")
    assert outcome["events"][0]["id"].startswith("calls/")


def test_an_action_before_its_report_waits_for_it(api: httpx.Client) -> None:
    action = {
        "reference": "W-3a",
        "type": "visit_made",
        "by": "w7",
        "issue": {"line": "hotline", "reference": "W-3"},
    }
    outcome = api.post("/actions", json=action, headers={"prefer": "wait=5"}).json()["outcome"]
    assert [event["type"] for event in outcome["events"]] == ["gridcall.action-waits.v1"]
    outcome = api.post("/issues/hotline", json=issue("W-3"), headers={"prefer": "wait=5"}).json()[
        "outcome"
    ]
    assert [event["type"] for event in outcome["events"]] == [
        "gridcall.case-reported.v1",
        "gridcall.case-routed.v1",
    ]
    outcome = api.post("/actions", json=action, headers={"prefer": "wait=5"}).json()["outcome"]
    assert [event["type"] for event in outcome["events"]] == ["gridcall.case-visited.v1"]


def test_the_outcome_is_found_by_code_and_by_reference(
    live: tuple[Process, str], api: httpx.Client
) -> None:
    posted = api.post("/issues/hotline", json=issue("T-1"), headers={"prefer": "wait=10"}).json()
    by_reference = api.get("/issues/hotline/T-1", headers={"prefer": "wait=10"}).json()
    assert by_reference["case"]["stage"] == "assigned", "the screen has read it"
    by_code = httpx.get(f"{live[0].url}/track/{posted['tracking']}").json()
    for answer in (by_code, by_reference):
        del answer["case"]["as_of"]  # Time may have passed in between.
    assert by_code == by_reference
    assert by_code["outcome"] == posted["outcome"]
    assert api.get("/issues/hotline/nothing").status_code == 404
    assert httpx.get(f"{live[0].url}/track/{'0' * 32}").status_code == 404


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_key_nothing_is_open(live: tuple[Process, str], api: httpx.Client) -> None:
    for secret in (None, "gck_wrong"):
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        for path in ("/issues/hotline", "/actions"):
            answer = httpx.post(f"{live[0].url}{path}", json=issue("K-1"), headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "gridcall key add" in answer.json()["detail"]
        assert httpx.get(f"{live[0].url}/log/exampleville", headers=headers).status_code == 401


def test_a_key_is_for_its_lines_and_its_district_until_it_is_revoked(
    live: tuple[Process, str],
) -> None:
    process, _ = live
    options = ("--district", "exampleville", "--source", "app", "--line", "grid")
    key = read_output(process.database, "key", "add", *options).strip()
    with client(process.url, key) as app:
        assert app.post("/issues/grid", json=issue("K-2")).status_code == 202
        assert app.post("/issues/hotline", json=issue("K-2")).status_code == 403
        assert app.get("/log/exampleville").status_code == 403
        other = app.post("/issues/grid", json=issue("K-3", district="elsewhere"))
        assert (other.status_code, other.json()["errors"][0]["pointer"]) == (403, "/district")
    (listed,) = [
        key
        for key in json.loads(read_output(process.database, "key", "list", "--json"))
        if key["source"] == "app"
    ]
    assert key not in json.dumps(listed)
    read_output(process.database, "key", "revoke", listed["id"])
    keys = {
        key["source"]: key
        for key in json.loads(read_output(process.database, "key", "list", "--json"))
    }
    assert keys["app"]["revoked"]


# ── What is refused ───────────────────────────────────────────────────────────────────────────────

JSON = {"content-type": "application/json"}
DEEP = "[" * 17 + "]" * 17
GZIPPED = {**JSON, "content-encoding": "gzip"}


def altered_issue(**more: Any) -> bytes:
    """Return an issue with other fields."""
    return json.dumps(issue("B", **more)).encode()


REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "not JSON": (b"reference=R-1", JSON, 422, "JSON"),
    "a body that stops half-way": (b'{"reference":"R-1","categ', JSON, 422, ""),
    "an item of 65 KiB": (altered_issue(category="x" * 65 * 1024), JSON, 413, "65,536"),
    "a request of 9 MiB": (b" " * 9 * 2**20, JSON, 413, "8,388,608"),
    "NaN": (
        b'{"reference":"B","category":"x","place":{"point":{"lat":NaN,"lon":1}}}',
        JSON,
        422,
        "byte 56",
    ),
    "NUL": (b'{"reference":"B\\u0000","category":"x"}', JSON, 422, "NUL"),
    "a lone surrogate": (b'{"reference":"B\\ud800","category":"x"}', JSON, 422, "hex escape"),
    "a duplicate key": (
        b'{"reference":"B","reference":"C","category":"x"}',
        JSON,
        422,
        "/reference",
    ),
    "depth 17": (altered_issue(place=json.loads(DEEP)), JSON, 422, "deep"),
    "a gzip bomb": (gzip.compress(b" " * 50 * 2**20), GZIPPED, 413, ""),
    "an unknown field": (altered_issue(categry="x"), JSON, 422, "category"),
    "a personal field": (altered_issue(phone="x"), JSON, 422, "phone"),
    "lat=999": (
        altered_issue(place={"point": {"lat": 999, "lon": 1}}),
        JSON,
        422,
        "/place/point/lat",
    ),
    "another coordinate system": (
        altered_issue(place={"point": {**POINT, "crs": "GCJ-02"}}),
        JSON,
        422,
        "WGS 84",
    ),
    "no reference": (b'{"category":"x"}', JSON, 422, "/reference"),
    "an unknown district": (altered_issue(district="nowhere"), JSON, 403, "/district"),
    "another content type": (b"<issue/>", {"content-type": "text/xml"}, 415, ""),
    "another encoding": (b"{}", {**JSON, "content-encoding": "br"}, 415, ""),
    "an empty body": (b"", JSON, 422, ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_a_clear_problem_and_stores_nothing(
    what: str, live: tuple[Process, str], api: httpx.Client
) -> None:
    body, headers, status, says = REFUSED[what]
    before = count_rows(live)
    answer = api.post("/issues/hotline", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
    assert says in answer.text
    assert count_rows(live) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/issues/fax", 404), ("GET", "/nothing", 404), ("PUT", "/actions", 405)],
)
def test_what_is_not_there_is_a_problem_too(
    method: str, path: str, status: int, api: httpx.Client
) -> None:
    answer = api.request(method, path, json=issue("X"))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_sender_who_stops_half_way_stores_nothing(live: tuple[Process, str]) -> None:
    before = count_rows(live)
    host, port = live[0].url.removeprefix("http://").split(":")
    head = (
        f"POST /issues/hotline HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {live[1]}\r\n"
        "content-type: application/json\r\n"
    )
    with socket.create_connection((host, int(port))) as half:
        half.sendall(f"{head}content-length: 500\r\n\r\n{{".encode())
    with client(*((live[0].url, live[1]))) as api:
        assert api.get("/readyz").status_code == 200
    assert count_rows(live) == before


async def test_a_fault_of_ours_is_a_problem_too() -> None:
    app = make_app(
        lambda app: nullcontext()
    )  # Nothing that it needs is there: its lifespan never began.

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake") as api:
        for answer in (
            await api.post("/actions", json={}),
            await api.get(f"/track/{'0' * 32}"),
        ):
            assert answer.status_code == 500
            assert answer.headers["content-type"] == "application/problem+json"
            assert "send the same again" in answer.json()["detail"].lower()


# ── The log over HTTP ─────────────────────────────────────────────────────────────────────────────


def test_logs_are_read_over_http_with_long_poll(api: httpx.Client) -> None:
    answer = api.get("/log/exampleville", params={"after": 0, "limit": 3})
    assert [json.loads(line)["position"] for line in answer.text.splitlines()] == [1, 2, 3]
    head = int(answer.headers["gridcall-position"])
    assert api.get("/log/exampleville", params={"after": head, "wait": 0.05}).text == ""
    for prefix, log in (("", "intake"), ("/routing", "cases"), ("/escalation", "calls")):
        first = api.get(f"{prefix}/log/exampleville", params={"limit": 1}).json()
        assert first["id"] == f"{log}/exampleville/1"


def test_a_wrong_parameter_is_a_problem_with_a_pointer(api: httpx.Client) -> None:
    answer = api.get("/log/exampleville", params={"after": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/after")


# ── Within ────────────────────────────────────────────────────────────────────────────────────────


class Narrow(Database):
    """A database whose first commit takes until another one was refused beside it.

    That one is refused as by `lock_timeout`.
    """

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self.busy, self.refused = asyncio.Event(), asyncio.Event()

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        if self.busy.is_set() and not self.refused.is_set():
            self.refused.set()
            raise Unavailable("the database is busy: canceling statement due to lock timeout")
        self.busy.set()
        await self.refused.wait()
        return await super().fetch(sql, *args)


async def test_a_commit_that_only_waited_for_the_one_beside_it_is_made_after_it(
    database: str,
) -> None:
    async with open_database(database) as wide:
        await IntakeStore(wide).add_district("city")
        narrow = Narrow(wide._pool)
        acceptor = Acceptor(narrow, Notifier())
        items = [
            item_of(RetryAsked(action=f"{number:032x}", issue="c", log="cases", by="ann"), SENDER)
            for number in range(SECOND_COMMIT_ITEMS + 1)
        ]
        first = asyncio.create_task(acceptor.accept("city", items[:1]))
        await narrow.busy.wait()
        async with asyncio.timeout(20):
            accepted = await asyncio.gather(
                first, *(acceptor.accept("city", [item]) for item in items[1:])
            )
        assert narrow.refused.is_set()
        assert sorted(each.position for (each,) in accepted) == list(range(1, len(items) + 1))
        assert all(each.fresh for (each,) in accepted)
