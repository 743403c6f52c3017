"""Programs without gridcall's code print the hotline's issues, once each, in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from eventlog.codec import envelope
from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from events import catalogue as e
from tests.harness.broker import Broker
from tests.harness.city import MAP_ADOPTED
from tests.harness.paths import ROOT
from tests.harness.requirements import require

BEGUN = 1_793_606_400_000_000  # 2026-11-02T08:00:00Z
MINUTE = 60_000_000
DISTRICTS = ("exampleville", "riverside")
CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
PROGRAMS = {
    "python": [sys.executable, "examples/kafka/read_intake.py"],
    "java": ["java", "-cp", "deploy/kafka/target/libs/*", "examples/kafka/ReadIntake.java"],
}
DOCUMENT = ROOT / "docs" / "kafka.md"


def issue_reported(line: Any, number: int, category: str) -> e.IssueReported:
    claims = (e.PlaceClaim(by="point", lat=53.335, lon=-6.285),)
    return e.IssueReported(
        issue=f"{number:032}",
        source="12345",
        line=line,
        reference=f"2026-{number:06}",
        category=category,
        urgency="normal",
        due=None,
        claims=claims,
        rules=(),
    )


def morning(district: str, last: str) -> list[Row]:
    """Return the rows of a morning, through all lines."""
    events: list[e.Event] = [
        MAP_ADOPTED,
        issue_reported("hotline", 117, "Street light"),
        issue_reported("grid", 1, "Street light"),
        e.VisitMade(action="a" * 32, issue="b" * 32, by="w:17"),
        issue_reported("hotline", 118, "井盖"),
        issue_reported("petition", 9, "Roadworks"),
        issue_reported("sentiment", 118, "Rubbish"),
        issue_reported("hotline", 119, last),
    ]
    drafts = [
        Draft(BEGUN + at * MINUTE, REFERENCE if at == 0 else f"x{at}", event)
        for at, event in enumerate(events)
    ]
    return list(asyncio.run(MemoryLog("intake").append(district, drafts)))


@pytest.fixture(scope="module")
def producer(broker: Broker) -> Any:
    """A publisher to the topic."""
    return Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})


def create_topic(broker: Broker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(topic, len(DISTRICTS), 1, config={"retention.ms": "-1"})])[
        topic
    ].result(30)


def publish(producer: Any, topic: str, rows: Sequence[Row], generation: int) -> None:
    """Publish rows, each in the partition of its district."""
    for row in rows:
        headers = [
            ("content-type", CONTENT_TYPE.encode()),
            ("generation", str(generation).encode()),
        ]
        producer.produce(
            topic, envelope(row), row.shard.encode(), DISTRICTS.index(row.shard), headers=headers
        )
    assert producer.flush(30) == 0


def read(program: str, broker: Broker, topic: str) -> subprocess.CompletedProcess[str]:
    """Run a program without gridcall on its path."""
    if program == "java":
        require(
            shutil.which("javac") is not None,
            "no program in Java without its compiler: apt-get install default-jdk-headless",
        )
    command = [*PROGRAMS[program], broker.address, "--topic", topic, "--until-end"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "LC_ALL": "C.UTF-8"
    }
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_not_ours_prints_what_the_hotline_reported(
    program: str, broker: Broker, producer: Any
) -> None:
    topic = f"gridcall.intake.{program}"
    create_topic(broker, topic)
    for district in DISTRICTS:
        rows = morning(district, "Noise")
        publish(producer, topic, rows[:5], 1)
        publish(producer, topic, rows[3:7], 1)  # A relay that was killed says the last ones again.
        publish(producer, topic, rows[6:], 2)  # Another database, which was restored.
        publish(
            producer, topic, morning(district, "Never accepted")[6:], 1
        )  # A relay that slept through it.
    done = read(program, broker, topic)
    assert done.returncode == 0, done.stderr
    for district in DISTRICTS:
        rows = morning(district, "Noise")
        hotline = [
            row
            for row in rows
            if isinstance(row.event, e.IssueReported) and row.event.line == "hotline"
        ]
        said = [line for line in done.stdout.splitlines() if line.startswith(f"intake/{district}/")]
        assert [line.split("  ")[0] for line in said] == [row.id for row in hotline]
        assert f"{district}: generation 2 begins; drop the rows from position 7 on\n" in done.stderr
        assert said[-1].endswith("  Noise")
    assert len(done.stdout.splitlines()) == len(DISTRICTS) * 3
    shown = [
        line
        for line in done.stdout.splitlines(keepends=True)
        if line.startswith("intake/exampleville/")
    ]
    assert "".join(shown) in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_not_ours_stops_at_a_gap(
    program: str, broker: Broker, producer: Any
) -> None:
    topic = f"gridcall.intake.gap.{program}"
    create_topic(broker, topic)
    rows = morning("riverside", "Noise")
    publish(producer, topic, [*rows[:3], *rows[4:]], 1)
    done = read(program, broker, topic)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "riverside: a gap after position 3: ask the service for GET /log/riverside?after=3\n"
    )
    assert len(done.stdout.splitlines()) == 1


def test_an_event_that_is_not_as_the_document_says_is_not_believed(
    broker: Broker, producer: Any
) -> None:
    create_topic(broker, "gridcall.intake.wrong")
    wrong = envelope(morning("riverside", "Noise")[0]).replace(b'"kind":"map"', b'"kind":"moon"')
    producer.produce("gridcall.intake.wrong", wrong, b"riverside", headers=[("generation", b"1")])
    assert producer.flush(30) == 0
    done = read("python", broker, "gridcall.intake.wrong")
    assert done.returncode == 1
    assert "'moon' is not one of" in done.stderr
