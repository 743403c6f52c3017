"""Readiness and the progress of replays, in words for strangers, operators and a terminal."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from eventlog.condition import Replay
from eventlog.readiness import Obstacle, reasons
from eventlog.replay_progress import LOG_SECONDS, ReplayLog, describe_replays
from gridcall.cli.replay_line import CLEAR_LINE, draw_replays

HALF_A_MINUTE = 30.0
OBSTACLES = [Obstacle("cases/a", "halted"), Obstacle("cases/b", "halted")]
REPLAYS = [
    Replay(name="cases/c", folded=40, rows=100),
    Replay(name="cases/d", folded=20, rows=100),
]


def test_operators_read_a_sentence_for_each_shard() -> None:
    assert reasons("routing", 9, OBSTACLES, REPLAYS, named=True) == [
        "cases/a: halted",
        "cases/b: halted",
        "cases/c: replaying, 40 %",
        "cases/d: replaying, 20 %",
    ]


def test_anyone_else_reads_no_district() -> None:
    assert reasons("routing", 9, OBSTACLES, REPLAYS, named=False) == [
        "routing: 2 of 9 halted",
        "routing: 2 of 9 replaying, 30 %",
    ]


@pytest.mark.parametrize("named", [True, False])
def test_a_service_without_any_district_is_ready(named: bool) -> None:
    assert reasons("routing", 0, [], [], named=named) == []


# ── While replays last ───────────────────────────────────────────────────────────────────────────


def test_of_many_replays_the_longest_are_named() -> None:
    many = [Replay(name=f"cases/d{i}", folded=i, rows=100 * i) for i in range(1, 10)]
    line = describe_replays(many)
    assert line == "replaying: cases/d9 1 %, cases/d8 1 %, cases/d7 1 %, cases/d6 1 %, and 5 more"


def test_a_short_replay_is_not_logged() -> None:
    log = ReplayLog()
    assert log.messages(REPLAYS, 100.0) == []
    assert log.messages(REPLAYS, 99.9 + LOG_SECONDS) == []
    assert log.messages([], 100.0 + LOG_SECONDS) == []


def test_a_long_replay_is_logged_now_and_then_and_at_its_end() -> None:
    log = ReplayLog()
    log.messages(REPLAYS, 100.0)
    assert log.messages(REPLAYS, 100.0 + LOG_SECONDS) == ["replaying: cases/c 40 %, cases/d 20 %"]
    assert log.messages(REPLAYS, 105.0 + LOG_SECONDS) == []
    assert log.messages(REPLAYS[:1], 100.0 + 2 * LOG_SECONDS) == ["replaying: cases/c 40 %"]
    assert log.messages([], 133.0) == ["replayed all districts in 33 s"]
    assert log.messages([], 134.0) == []


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_and_the_log_is_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler, root = logging.StreamHandler(terminal), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    show = draw_replays()
    assert show
    show(REPLAYS[:1])
    show(REPLAYS)
    handler.handle(logging.makeLogRecord({"msg": "a line of the log"}))
    show(REPLAYS[1:])
    show([])
    show([])
    assert terminal.getvalue() == (
        "replaying: cases/c 40 %"
        f"{CLEAR_LINE}replaying: cases/c 40 %, cases/d 20 %"
        f"{CLEAR_LINE}a line of the log\n"
        f"replaying: cases/d 20 %{CLEAR_LINE}"
    )


def test_without_a_terminal_the_log_has_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert draw_replays() is None
