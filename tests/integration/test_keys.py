"""Keys on a running system: their shares, their end, and what they may see."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from intake.api_keys import GUESSES_AT_ONCE
from tests.harness.commands import read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute, fetch_rows
from tests.harness.waiting import wait_until

MIB = 2**20


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    asyncio.run(execute(postgres, "CREATE DATABASE keys TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/keys?")
    key = adopt_exampleville(url)
    process = Process(url, "--service", "intake", "--service", "screen")
    yield process, key
    assert process.end() == 0


def add_key(process: Process, source: str, *options: str, district: str = "exampleville") -> str:
    words = ("key", "add", "--district", district, "--source", source, *options)
    return read_output(process.database, *words).strip()


def basic(key: str) -> dict[str, str]:
    """Return the header by which a browser sends a key."""
    return {"Authorization": "Basic " + base64.b64encode(f"me:{key}".encode()).decode()}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def connect(process: Process) -> socket.socket:
    host, port = process.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def resident_mib(process: Process) -> int:
    """Return the memory of a process in MiB."""
    status = Path(f"/proc/{process.running.pid}/status").read_text(encoding="ascii")
    (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kib) // 1024


# ── Shares ───────────────────────────────────────────────────────────────────────────────────────


def test_one_key_with_many_slow_bodies_leaves_room_for_the_others(
    live: tuple[Process, str],
) -> None:
    process, key = live
    attacker = add_key(process, "attacker", "--line", "sentiment")
    head = (
        f"POST /issues/sentiment HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {attacker}\r\n"
        f"content-type: application/json\r\ncontent-length: {8 * MIB}\r\n\r\n["
    ).encode()
    with ExitStack() as stack, client(process.url, key) as other:
        bodies = [stack.enter_context(connect(process)) for _ in range(17)]
        with ThreadPoolExecutor(17) as pool:
            list(pool.map(lambda body: send_slowly(body, head + b" " * (8 * MIB - 2)), bodies))
        for number in range(20):
            assert other.post("/issues/hotline", json=issue(f"R-{number}")).status_code == 202
        refused = [body.recv(12) for body in bodies if has_answer(body)]
        assert b"HTTP/1.1 429" in refused
        assert b"HTTP/1.1 503" not in refused


def send_slowly(body: socket.socket, content: bytes) -> None:
    """Send all but the end of a body; it may be refused before that."""
    with suppress(OSError):
        body.sendall(content)


def has_answer(body: socket.socket) -> bool:
    """Tell if a connection has been answered."""
    body.setblocking(False)
    try:
        return bool(body.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def test_the_memory_of_refused_arrays_returns(live: tuple[Process, str]) -> None:
    process, key = live
    item = json.dumps({**issue("M-1"), "note": "x" * 800})
    array = f"[{','.join([item] * 4_500)}]".encode()
    headers = {"content-type": "application/json"}
    with client(process.url, key) as api:

        def refuse_arrays(count: int) -> int:
            for _ in range(count):
                answer = api.post("/issues/hotline", content=array, headers=headers)
                assert {each["status"] for each in answer.json()["results"]} == {422}
            return resident_mib(process)

        before = refuse_arrays(3)
        after = refuse_arrays(12)
    assert after - before < 2 * len(array) / MIB, "each array left something behind"


def test_more_than_the_rate_of_a_key_is_refused_until_later(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDCALL_RATE_PER_SECOND", "0.01")
    monkeypatch.setenv("GRIDCALL_RATE_BURST", "3")
    key = adopt_exampleville(database)
    process = Process(database)
    many = [issue(f"Q-{number}") for number in range(5)]
    with client(process.url, key) as api:
        assert api.post("/issues/hotline", json=many[0]).status_code == 202
        assert api.post("/issues/hotline", json=many).status_code == 202
        refused = api.post("/issues/hotline", json=issue("Q-9"))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 400
        assert refused.json()["type"] == "urn:gridcall:problem:rate"
        assert "0.01 a second" in refused.json()["detail"]
        assert api.get("/issues/hotline/Q-9").status_code == 404
        assert api.post("/issues/grid", json=issue("Q-9")).status_code == 202
    assert process.end() == 0


# ── The end of a key ─────────────────────────────────────────────────────────────────────────────


def id_of_key(process: Process, source: str) -> str:
    keys = json.loads(read_output(process.database, "key", "list", "--json"))
    (key_id,) = [str(key["id"]) for key in keys if key["source"] == source]
    return key_id


def test_a_revoked_key_ends_what_it_holds_open(live: tuple[Process, str]) -> None:
    process, _ = live
    lines = ("--line", "log", "--line", "hotline")
    key = add_key(process, "leaving", *lines)
    answers: dict[str, httpx.Response] = {}

    def ask(name: str, method: str, path: str, **options: Any) -> threading.Thread:
        def run() -> None:
            with client(process.url, key) as api:
                answers[name] = api.request(method, path, **options)

        asking = threading.Thread(target=run)
        asking.start()
        return asking

    with httpx.stream(
        "GET", f"{process.url}/screen/exampleville/live", headers=basic(key), timeout=30
    ) as stream:
        messages = stream.iter_lines()
        next(messages)
        post = {"json": issue("E-1"), "headers": {"prefer": "wait=10"}}
        posting = ask("post", "POST", "/issues/hotline", **post)
        wait_until(lambda: bool(fetch_rows(process.database, REPORTED.format("leaving"))))
        query = {"after": 2**40, "wait": 30}
        reading = ask("read", "GET", "/log/exampleville", params=query)
        for _ in range(6):  # Messages come each second: both have arrived.
            next(messages)
        read_output(process.database, "key", "revoke", id_of_key(process, "leaving"))
        assert sum(1 for _ in messages) < 50, "the stream did not end"
    posting.join(timeout=8)
    reading.join(timeout=8)
    assert (answers["post"].status_code, "outcome" in answers["post"].json()) == (202, False)
    assert (answers["read"].status_code, answers["read"].json()["title"]) == (401, "The key ended")
    again = httpx.get(f"{process.url}/screen/exampleville/map", headers=basic(key))
    assert (again.status_code, again.headers["www-authenticate"][:5]) == (401, "Basic")
    assert "was revoked on" in again.json()["detail"]


def test_a_key_that_ends_while_a_body_comes_stores_nothing(live: tuple[Process, str]) -> None:
    process, _ = live
    key = add_key(process, "slow", "--line", "hotline")
    body = json.dumps(issue("S-1")).encode()
    head = (
        "POST /issues/hotline HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\nExpect: 100-continue\r\n\r\n"
    )
    with connect(process) as posting, client(process.url, key) as api:
        posting.sendall(head.encode())
        assert b"100 Continue" in posting.recv(1024)  # The key was in force.
        read_output(process.database, "key", "revoke", id_of_key(process, "slow"))
        wait_until(lambda: api.get("/issues/hotline/S-1").status_code == 401)
        posting.sendall(body)
        with posting.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    assert not fetch_rows(process.database, REPORTED.format("slow"))


REPORTED = "SELECT pos FROM intake.log WHERE convert_from(data, 'UTF8') LIKE '%\"{}\"%'"


def test_an_expired_key_is_refused_by_name(live: tuple[Process, str]) -> None:
    process, _ = live
    key = add_key(process, "guest", "--line", "hotline", "--expires", "12h")
    with client(process.url, key) as api:
        assert api.post("/issues/hotline", json=issue("G-1")).status_code == 202
        expire = "UPDATE intake.key SET expires = clock_timestamp() WHERE source = 'guest'"
        asyncio.run(execute(process.database, expire))
        wait_until(lambda: api.post("/issues/hotline", json=issue("G-1")).status_code == 401)
        answer = api.post("/issues/hotline", json=issue("G-1"))
    assert answer.json()["type"] == "urn:gridcall:problem:expired-key"
    assert "expired on" in answer.json()["detail"]
    over = ("--line", "hotline", "--expires", "2020-01-01")
    refused = run_on_database(
        process.database, "key", "add", "--district", "exampleville", "--source", "x", *over
    )
    assert refused.returncode == 2
    assert "is over already" in refused.stderr


def test_a_source_that_nobody_can_read_gets_no_key(live: tuple[Process, str]) -> None:
    words = ("--district", "exampleville", "--source", "a\u202eb\x1b[2J", "--line", "hotline")
    refused = run_on_database(live[0].database, "key", "add", *words)
    assert refused.returncode == 2
    assert "characters that can be seen" in refused.stderr
    assert "\x1b" not in refused.stderr


# ── What a key may see ───────────────────────────────────────────────────────────────────────────


def test_guesses_are_slowed_and_a_good_key_is_not(live: tuple[Process, str]) -> None:
    process, key = live
    guesser = httpx.HTTPTransport(local_address="127.0.0.9")  # Other tests keep their own address.
    with httpx.Client(base_url=process.url, headers=bearer(key), transport=guesser) as api:
        api.get("/log/exampleville", params={"limit": 1}).raise_for_status()
        guesses = [bearer(f"gck_{n:040}") for n in range(4 * GUESSES_AT_ONCE)]
        answers = [api.get("/log/exampleville", headers=guess) for guess in guesses]
        assert {answer.status_code for answer in answers} == {401, 429}
        slowed = next(answer for answer in answers if answer.status_code == 429)
        assert int(slowed.headers["retry-after"]) >= 1
        assert slowed.headers["content-type"] == "application/problem+json"
        assert api.get("/log/exampleville", params={"limit": 1}).status_code == 200
        assert api.get("/", headers=basic(key)).status_code == 200


def test_a_known_key_of_something_else_is_forbidden_and_no_page_names_its_district(
    live: tuple[Process, str],
) -> None:
    process, key = live
    read_output(process.database, "district", "add", "otherville")
    foreign = add_key(process, "foreign", "--line", "log", district="otherville")
    sender = add_key(process, "sender", "--line", "hotline")
    for path in ("/", "/screen/exampleville/map", "/static/screen/base.css"):
        assert httpx.get(process.url + path, headers=basic(sender)).status_code == 403
    for path in ("/?district=exampleville", "/screen/exampleville/live", "/screen/nowhere/map"):
        refused = httpx.get(process.url + path, headers=basic(foreign))
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert "www-authenticate" not in refused.headers
    own = httpx.get(process.url, headers=basic(foreign))
    assert (own.status_code, "exampleville" in own.text) == (200, False)
    assert "exampleville" in httpx.get(process.url, headers=basic(key)).text
    assert httpx.get(f"{process.url}/?district=otherville", headers=basic(key)).status_code == 403
