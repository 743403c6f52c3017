"""The lines of a process: JSON with fields, plain text on a terminal, an outage in two lines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO

import pytest

from eventlog.log_once import LogOnce, Outages
from eventlog.logs import FORMAT_VARIABLE, JsonFormatter, TextFormatter, configure_logging
from events.errors import Unavailable

LOG = logging.getLogger("gridcall")
AWAY = Unavailable("the database cannot be reached: refused")


def record(message: str = "a sentence", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("gridcall", logging.WARNING, "x.py", 1, message, (), None)
    made.created = 1_700_000_000.25
    made.__dict__.update(fields)
    return made


def test_a_line_has_time_level_service_district_and_message() -> None:
    line = JsonFormatter("gridcall").format(record(service="routing", district="licheng"))
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "service": "routing",
        "district": "licheng",
        "message": "a sentence",
    }


def test_a_line_of_no_service_names_the_process_and_a_library_itself() -> None:
    line = json.loads(JsonFormatter("intake").format(record(name="uvicorn.error")))
    assert (line["service"], line["logger"]) == ("intake", "uvicorn.error")
    assert "district" not in line


def test_no_text_from_outside_fakes_a_line_or_hides_one() -> None:
    foreign = 'x\n{"level": "info"}\u202e\u2028 \x1b[2J'
    line = JsonFormatter("intake").format(record(foreign))
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line)["message"] == foreign
    text = TextFormatter("intake").format(record(foreign))
    assert text.isprintable()
    assert r"x\n{" in text


def test_a_fault_is_logged_with_its_traceback_in_one_line() -> None:
    try:
        raise KeyError("surprise")
    except KeyError:
        failed = record(exc_info=sys.exc_info())
    line = JsonFormatter("intake").format(failed)
    assert "\n" not in line
    assert "KeyError: 'surprise'" in json.loads(line)["exception"]
    assert TextFormatter("intake").format(failed).splitlines()[-1] == "KeyError: 'surprise'"


def test_text_for_people_begins_with_the_time_of_day() -> None:
    line = TextFormatter("gridcall").format(record(service="routing", district="licheng"))
    assert line == "22:13:20 warning  routing licheng: a sentence"


@pytest.mark.parametrize(
    ("is_terminal", "chosen", "is_json"),
    [(False, "", True), (True, "", False), (True, "json", True), (False, "text", False)],
)
def test_json_is_for_machines_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, chosen: str, is_json: bool
) -> None:
    stream = StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv(FORMAT_VARIABLE, chosen)
    before = logging.getLogger().handlers[:]
    try:
        configure_logging("routing")
        LOG.info("it runs")
    finally:
        logging.captureWarnings(capture=False)
        logging.getLogger().handlers[:] = before
    assert stream.getvalue().startswith("{") == is_json
    assert "it runs" in stream.getvalue()


@dataclass
class ManualTime:
    """A clock that stands still, and calls that come when a test says so."""

    now: float = 0.0
    pending: list[ManualTimer] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def later(self, seconds: float, work: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self, work)
        self.pending.append(timer)
        return timer

    def settle(self) -> None:
        """Make all calls that are to come."""
        for timer in self.pending[:]:
            timer.work()
        self.pending.clear()


@dataclass
class ManualTimer:
    """A call that is to come."""

    time: ManualTime
    work: Callable[[], None]

    def cancel(self) -> None:
        self.time.pending.remove(self)


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def outages(time: ManualTime, caplog: pytest.LogCaptureFixture) -> Outages:
    caplog.set_level(logging.INFO)
    return Outages(LOG, "routing", time.clock, time.later)


def test_an_outage_that_many_tasks_meet_is_two_lines(
    outages: Outages, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(18):
        time.now = float(second)
        for district in ("cases/licheng", "cases/huaiyin"):
            outages.begin(district, AWAY)
    for district in ("cases/licheng", "cases/huaiyin"):
        outages.end(district)
    time.settle()
    assert caplog.messages == [
        "the database is unavailable, retrying: the database cannot be reached: refused",
        "the database is available again after 17 s",
    ]
    assert {each.service for each in caplog.records} == {"routing"}  # type: ignore[attr-defined]
    assert [each.levelname for each in caplog.records] == ["WARNING", "INFO"]


def test_a_task_that_meets_an_outage_again_at_once_does_not_make_another_one(
    outages: Outages, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    outages.begin("cases/licheng", AWAY)
    outages.end("cases/licheng")
    outages.begin("cases/huaiyin", AWAY)
    time.now = 5.0
    outages.end("cases/huaiyin")
    time.settle()
    assert len(caplog.messages) == 2
    assert caplog.messages[-1].endswith("after 5 s")


def test_an_outage_goes_on_until_its_last_task_is_through(
    outages: Outages, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    outages.begin("cases/licheng", AWAY)
    outages.begin("cases/huaiyin", AWAY)
    outages.end("cases/licheng")
    time.settle()
    assert len(caplog.messages) == 1


def test_outages_of_two_neighbours_are_logged_separately(
    outages: Outages, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    outages.begin("cases/licheng", AWAY)
    outages.begin("cases/licheng", Unavailable("no broker answers", about="Kafka"))
    outages.end("cases/licheng")
    time.settle()
    assert [line.partition(" is ")[0] for line in caplog.messages] == [
        "the database",
        "Kafka",
        "the database",
        "Kafka",
    ]


def test_a_task_that_met_no_outage_ends_none(
    outages: Outages, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    outages.begin("cases/licheng", AWAY)
    outages.end("cases/huaiyin")
    time.settle()
    assert len(caplog.messages) == 1


def test_the_end_of_a_condition_is_logged_with_its_length(
    time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines = LogOnce(LOG, time.clock, service="routing", district="licheng")
    lines.error("halted: a gap")
    time.now = 17.0
    lines.clear()
    lines.clear()
    assert caplog.messages == ["halted: a gap", "over after 17 s: halted: a gap"]
    assert {each.district for each in caplog.records} == {"licheng"}  # type: ignore[attr-defined]
