"""The access log has who read logs, and which credentials were refused, and no secret."""

from __future__ import annotations

import json
from collections import Counter

from tests.harness.commands import read_output
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import fetch_rows

UNKNOWN = "gck_" + "x" * 43


def test_reads_and_refusals_are_listed_by_key_and_counted(database: str) -> None:
    reader = adopt_exampleville(database)
    options = ("--district", "exampleville", "--source", "sms", "--line", "grid")
    sender = read_output(database, "key", "add", *options).strip()
    revoked = read_output(database, "key", "add", *options).strip()
    keys = json.loads(read_output(database, "key", "list", "--json"))
    names = {key["source"]: f"key:{key['id']}" for key in keys[:2]}
    read_output(database, "key", "revoke", keys[2]["id"])

    process = Process(database)
    for key, path, status in (
        (reader, "/log/exampleville", 200),
        (reader, "/log/exampleville", 200),
        (reader, "/routing/log/exampleville", 200),
        (reader, "/log/elsewhere", 403),
        (sender, "/log/exampleville", 403),
        (revoked, "/log/exampleville", 401),
        (UNKNOWN, "/log/exampleville", 401),
        (UNKNOWN, "/log/exampleville", 401),
    ):
        with client(process.url, key) as api:
            assert api.get(path).status_code == status
    with client(process.url, UNKNOWN) as api:
        assert api.post("/issues/grid", json=issue("A-1")).status_code == 401
    assert process.end() == 0, "what was counted is written at the end"

    counts: Counter[tuple[str, str, str, str]] = Counter()
    for row in json.loads(read_output(database, "access", "--json")):
        assert row["address"] == "127.0.0.1"
        counts[row["kind"], row["key"], row["district"], row["what"]] += row["count"]
    city = "exampleville"
    assert counts == {
        ("read", names["test"], city, "/log/exampleville"): 2,
        ("read", names["test"], city, "/routing/log/exampleville"): 1,
        ("other-district", names["test"], city, ""): 1,
        ("other-line", names["sms"], city, ""): 1,
        ("revoked-key", f"key:{keys[2]['id']}", "", ""): 1,
        ("no-key", "", "", ""): 3,
    }
    assert "x" * 20 not in str(fetch_rows(database, "SELECT * FROM intake.access"))


def test_each_input_names_the_key_that_sent_it(database: str) -> None:
    key = adopt_exampleville(database)
    process = Process(database, "--service", "intake")
    with client(process.url, key) as api:
        assert api.post("/issues/grid", json=[issue("A-1"), issue("A-2")]).status_code == 202
    assert process.end() == 0
    (stored,) = json.loads(read_output(database, "key", "list", "--json"))
    rows = fetch_rows(database, "SELECT source, credential FROM intake.log ORDER BY pos")
    assert {(row["source"], row["credential"].partition(":")[0]) for row in rows[:4]} == {
        ("gridcall", "operator")
    }
    assert [tuple(row) for row in rows[4:]] == [("test", f"key:{stored['id']}")] * 2
