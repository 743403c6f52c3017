"""The checker finds nothing in a correct history, and finds each planted violation."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from embedded.server import start_server
from tests.harness.paths import ROOT
from tools.checker.__main__ import main
from tools.checker.examination import check
from tools.checker.receipts import Receipt, identity
from tools.checker.report import KINDS, Violation

Event = tuple[str, dict[str, Any]]
Table = list[dict[str, Any]]

SCHEMAS = {"intake": "intake", "cases": "routing", "calls": "escalation"}
SOURCES = {"intake": "", "cases": "intake", "calls": "cases"}
LOG = ("shard", "pos", "ts", "input", "n", "subject", "seq", "cause", "type", "data")
SHARD = ("shard", "pos", "ts", "input", "epoch", "adopted")
SCHEMA = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.log (
  shard text, pos bigint, ts bigint, input bigint, n int,
  subject text, seq int, cause text, type text, data bytea,
  recorded timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (shard, pos));
CREATE TABLE {schema}.shard (
  shard text PRIMARY KEY, pos bigint, ts bigint, input bigint,
  epoch bigint, owner text, leased_until timestamptz, adopted int);
"""

NORTH, SOUTH = "north", "south"
NOW = 100
WITHIN = 10  # A call may stay unanswered so long.


# ── A history by hand ────────────────────────────────────────────────────────────────────────────


class History:
    """The tables of three services, and the answers to clients."""

    def __init__(self) -> None:
        self.logs: dict[str, Table] = {log: [] for log in SCHEMAS}
        self.shards: dict[str, Table] = {log: [] for log in SCHEMAS}
        self.receipts: list[Receipt] = []

    def rows(self, log: str, kind: str) -> Table:
        return [row for row in self.logs[log] if row["type"] == f"gridcall.{kind}.v1"]

    def head(self, log: str, shard: str) -> dict[str, Any]:
        return next(head for head in self.shards[log] if head["shard"] == shard)


class District:
    """Writes the history of one district, in the order in which it happens."""

    def __init__(self, history: History, shard: str) -> None:
        self.history = history
        self.shard = shard

    def rows(self, log: str) -> Table:
        return [row for row in self.history.logs[log] if row["shard"] == self.shard]

    def write(
        self, log: str, time: int, input_: int, cause: str, subject: str, *events: Event
    ) -> list[int]:
        """One decision; its positions."""
        before = self.rows(log)
        sequence = sum(row["subject"] == subject for row in before)
        for n, (kind, data) in enumerate(events, 1):
            type_name = f"gridcall.{kind}.v1"
            values = (
                self.shard,
                len(before) + n,
                time,
                input_,
                n,
                subject,
                sequence + n,
                cause,
                type_name,
                json.dumps(data).encode(),
            )
            self.history.logs[log].append(dict(zip(LOG, values, strict=True)))
        return [len(before) + n for n in range(1, len(events) + 1)]

    def accept(self, time: int, subject: str, event: str, **data: Any) -> int:
        return self.write("intake", time, 0, "", subject, (event, data))[0]

    def issue(self, time: int, reference: str, line: str = "hotline", **data: Any) -> str:
        """An issue, accepted and answered; its id."""
        words = {"source": "desk", "line": line, "reference": reference}
        name = identity([self.shard, *words.values()])
        position = self.accept(
            time,
            name,
            "issue-reported",
            issue=name,
            **words,
            category="Rubbish",
            urgency="normal",
            **data,
        )
        self.history.receipts.append(
            receipt(self.shard, 202, name, position, kind="issue", **words)
        )
        return name

    def action(self, time: int, issue: str, kind: str, **data: Any) -> str:
        """Accept and answer an action. Return its id."""
        words = {"source": "app", "reference": f"A{len(self.rows('intake'))}"}
        name = identity([self.shard, *words.values()])
        position = self.accept(time, name, kind, action=name, issue=issue, **data)
        self.history.receipts.append(
            receipt(self.shard, 202, name, position, kind="action", **words)
        )
        return name

    def outcome(self, subject: str, *events: Event) -> list[int]:
        """Add routing's outcome of the last input."""
        given = self.rows("intake")[-1]
        cause = f"intake/{self.shard}/{given['pos']}"
        return self.write("cases", given["ts"], given["pos"], cause, subject, *events)

    def follows(self, position: int, *events: Event) -> None:
        """Add escalation's outcome of a row of `cases`."""
        row = self.rows("cases")[position - 1]
        self.write(
            "calls",
            row["ts"],
            position,
            f"cases/{self.shard}/{position}",
            row["subject"],
            *events,
        )

    def fires(self, case: str, clock: str, due: int, *events: Event) -> None:
        """Add the events of a clock, after all inputs so far."""
        time = max(due, self.rows("calls")[-1]["ts"])
        self.write("calls", time, len(self.rows("cases")), f"clock/{case}/{clock}", case, *events)

    def rest(self) -> None:
        """Time has passed, and all stages have caught up."""
        for log, source in SOURCES.items():
            values = (
                self.shard,
                len(self.rows(log)),
                NOW,
                len(self.rows(source)) if source else 0,
                1,
                0,
            )
            self.history.shards[log].append(dict(zip(SHARD, values, strict=True)))


def receipt(
    shard: str, status: int, name: str | None, position: int | None, **words: Any
) -> Receipt:
    return {
        "district": shard,
        "status": status,
        "id": name,
        "pos": position,
        "answered": 1.5,
        **words,
    }


def holder(level: str = "grid") -> dict[str, Any]:
    return {
        "level": level,
        "grid": "0101",
        "street": "01",
        "district": NORTH,
        "worker": "ann",
        "episode": 1,
    }


def matter(due: int | None, line: str = "hotline") -> dict[str, Any]:
    return {"line": line, "category": "Rubbish", "urgency": "normal", "reported": 0, "due": due}


def open_case(
    case: str, due: int | None = None, level: str = "grid", line: str = "hotline"
) -> tuple[Event, Event]:
    """Return the events of a report: to its grid, its street, or the district's dispatcher."""
    facts = matter(due, line)
    kind = {"grid": "case-routed", "street": "case-withheld", "district": "case-queued"}[level]
    placed = {"case": case, "matter": facts, "holder": holder(level)}
    return ("case-reported", {"case": case, "issue": case, "matter": facts}), (kind, placed)


def event_of(case: str, kind: str, level: str = "grid", **data: Any) -> Event:
    return kind, {"case": case, "holder": holder(level), **data}


def clock(case: str, kind: str, due: int, level: str = "grid") -> Event:
    data = (
        {"policies": "policies-1", "rule": "line", "started": 0} if kind == "clock-started" else {}
    )
    return event_of(case, kind, level, run=1, due=due, **data)


def call_raised(case: str, number: int, path: tuple[str, str], because: str, time: int) -> Event:
    data = {
        "call": f"{case}/{number}",
        "from_level": path[0],
        "to_level": path[1],
        "because": because,
    }
    return event_of(case, "call-raised", **data, answer_due=time + WITHIN)


def history() -> History:
    """Two districts, and in them a case of each kind."""
    made = History()
    north(District(made, NORTH))
    south(District(made, SOUTH))
    return made


def north(d: District) -> None:
    adopts_policies(d)
    missed = is_reported(d, 10, "missed", 20)
    is_queued_and_withdrawn(d)
    waits_for_a_policy_row(d)
    is_called_and_answered(d, missed)
    comes_after_its_visit(d)
    is_parked_in_routing(d)
    is_parked_in_escalation(d)
    is_parked_by_its_clock(d)
    is_handed_over(d)
    reopens_before_its_promise(d)
    calls_the_district(d)
    d.rest()


def is_reported(
    d: District, time: int, reference: str, due: int | None, level: str = "grid"
) -> str:
    """A case with a deadline that its line promised."""
    case = d.issue(time, reference, due=due)
    _, placed = d.outcome(case, *open_case(case, due, level))
    if due is not None:
        d.follows(placed, clock(case, "clock-started", due, level))
    return case


def adopts_policies(d: District) -> None:
    limits = [{"line": "petition", "category": "*", "urgency": "*", "amount": 20, "unit": "days"}]
    policies = {
        "name": "policies-1",
        "zone": "Asia/Shanghai",
        "answer_within": WITHIN,
        "limits": limits,
    }
    d.accept(1, "reference", "reference-adopted", kind="policies", name="policies-1", digest="d")
    (position,) = d.outcome("reference", ("policies-adopted", policies))
    d.follows(position, ("policies-adopted", policies))


def is_queued_and_withdrawn(d: District) -> None:
    is_reported(d, 11, "queued", None, "district")
    case = is_reported(d, 12, "withdrawn", 50)
    d.action(13, case, "issue-withdrawn", because="a mistake")
    (position,) = d.outcome(case, event_of(case, "case-withdrawn", because="a mistake"))
    d.follows(position, clock(case, "clock-stopped", 50))
    name = d.action(14, case, "visit-made", by="ann")
    d.outcome(
        case,
        ("input-declined", {"case": case, "input_id": name, "because": "This case has ended."}),
    )


def waits_for_a_policy_row(d: District) -> None:
    case = d.issue(15, "by-policy", "petition", due=None)
    _, placed = d.outcome(case, *open_case(case, line="petition"))
    d.follows(placed, clock(case, "clock-started", 500))


def is_called_and_answered(d: District, case: str) -> None:
    """Due at 20; the street is silent until 30 and answers at 60; then it ends and reopens."""
    missed = clock(case, "deadline-missed", 20)
    d.fires(
        case, "deadline/1", 20, missed, call_raised(case, 1, ("grid", "street"), "deadline", 20)
    )
    d.fires(case, "answer/1", 30, call_raised(case, 2, ("street", "district"), "silence", 30))
    d.action(60, case, "answer-given", call=f"{case}/1", by="officer")
    (position,) = d.outcome(
        case, event_of(case, "answer-passed-on", call=f"{case}/1", by="officer")
    )
    d.follows(position, event_of(case, "call-answered", call=f"{case}/1", by="officer"))
    d.action(61, case, "ended-at-source", outcome="closed", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="closed", rules=[])
    )
    d.follows(
        position,
        clock(case, "clock-stopped", 20),
        event_of(case, "call-withdrawn", call=f"{case}/2"),
    )
    d.action(62, case, "reopening-asked", because="recurrence")
    (position,) = d.outcome(case, ("case-reopened", open_case(case)[1][1]))
    d.follows(position, event_of(case, "reopened-without-deadline"))


def reopens_before_its_promise(d: District) -> None:
    """Its line promised 850. It ends and reopens at 71, so that it runs against 850 again."""
    case = is_reported(d, 70, "too early", 850)
    d.action(71, case, "ended-at-source", outcome="closed", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="closed", rules=[])
    )
    d.follows(position, clock(case, "clock-stopped", 850))
    d.action(71, case, "reopening-asked", because="unsatisfied")
    (position,) = d.outcome(case, ("case-reopened", open_case(case, 850)[1][1]))
    kind, started = clock(case, "clock-started", 850)
    d.follows(position, (kind, {**started, "run": 2}))


def waits_for_an_issue_that_never_comes(d: District) -> None:
    """Actions up to the limit wait, and one more is declined."""
    case = identity([SOUTH, "desk", "hotline", "never"])
    for _ in range(32):
        d.action(15, case, "visit-made", by="ann")
        waits = {"issue": case, "type": "gridcall.visit-made.v1", "data": {}}
        d.outcome(case, ("action-waits", waits))
    name = d.action(16, case, "visit-made", by="ann")
    d.outcome(case, ("input-declined", {"case": case, "input_id": name, "because": "Too many."}))


def comes_after_its_visit(d: District) -> None:
    case = identity([NORTH, "desk", "hotline", "late"])
    d.action(63, case, "visit-made", by="ann")
    d.outcome(case, ("action-waits", {"issue": case, "type": "gridcall.visit-made.v1", "data": {}}))
    d.issue(64, "late", due=900)
    _, placed, _ = d.outcome(case, *open_case(case, 900), event_of(case, "case-visited", by="ann"))
    d.follows(placed, clock(case, "clock-started", 900))


def is_parked_in_routing(d: District) -> None:
    case = d.issue(65, "poison", due=None)
    d.outcome(case, ("case-parked", {"case": case, "fault": "KeyError"}))
    d.action(66, case, "visit-made", by="ann")
    d.outcome(case, ("input-held", {"case": case}))


def is_parked_in_escalation(d: District) -> None:
    case = d.issue(67, "poison too", due=90)
    _, placed = d.outcome(case, *open_case(case, 90))
    d.follows(placed, ("case-parked", {"case": case, "fault": "KeyError"}))
    d.action(68, case, "ended-at-source", outcome="withdrawn", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="withdrawn", rules=[])
    )
    d.follows(position, ("input-held", {"case": case}))


def is_parked_by_its_clock(d: District) -> None:
    case = is_reported(d, 68, "poison at last", 68)
    d.issue(69, "whatever", due=None)
    d.fires(case, "deadline/1", 68, ("case-parked", {"case": case, "fault": "KeyError"}))
    whatever = case_of("whatever")
    d.outcome(whatever, *open_case(whatever))


def is_handed_over(d: District) -> None:
    case = is_reported(d, 69, "found", 800, "district")
    d.action(70, case, "place-named", by="eve", grid="0101")
    (position,) = d.outcome(case, open_case(case, 800)[1])
    d.follows(position, clock(case, "clock-handed-over", 800))


def calls_the_district(d: District) -> None:
    """The street has the case, so its missed deadline calls the district, which acknowledges."""
    case = is_reported(d, 71, "withheld", 75, "street")
    missed = clock(case, "deadline-missed", 75, "street")
    d.fires(
        case, "deadline/1", 75, missed, call_raised(case, 1, ("street", "district"), "deadline", 75)
    )
    d.action(80, case, "acknowledgement-given", call=f"{case}/1", by="officer")
    (position,) = d.outcome(
        case, event_of(case, "acknowledgement-passed-on", call=f"{case}/1", by="officer")
    )
    d.follows(position, event_of(case, "call-acknowledged", call=f"{case}/1", by="officer"))


def south(d: District) -> None:
    """A case that is solved, and answers of every kind."""
    case = is_reported(d, 10, "solved 问题", None)
    for time, given, became in (
        (11, "visit-made", "case-visited"),
        (12, "resolution-claimed", "case-resolved"),
        (13, "resolution-checked", "case-verified"),
        (14, "closing-asked", "case-closed"),
    ):
        d.action(time, case, given, by="ann")
        d.outcome(case, event_of(case, became, by="ann"))
    waits_for_an_issue_that_never_comes(d)
    words = {"kind": "issue", "source": "desk", "line": "hotline", "reference": "solved 问题"}
    again = [receipt(SOUTH, 200, case, 1, **words), receipt(SOUTH, 409, case, None, **words)]
    refused = [
        receipt(SOUTH, 422, case, None, **words),
        receipt(SOUTH, 422, None, None, kind="issue", source="desk"),
    ]
    away = receipt(SOUTH, 503, None, None, kind="action", source="app", reference="A99")
    d.history.receipts += [*again, *refused, away]
    d.rest()


# ── Planting ─────────────────────────────────────────────────────────────────────────────────────

Plant = Callable[[History], None]


def change(log: str, kind: str, nth: int = 0, **columns: Any) -> Plant:
    """Change columns of a row; numbers with a sign in text are added."""

    def plant(h: History) -> None:
        row = h.rows(log, kind)[nth]
        row.update(
            {name: row[name] + int(to) if is_step(to) else to for name, to in columns.items()}
        )

    return plant


def exchange(log: str, kind: str, nth: int, other: str) -> Plant:
    """Make another outcome of a row: the one by which an action waits, or the one that declines."""

    def plant(h: History) -> None:
        row = h.rows(log, kind)[nth]
        data = {"issue": row["subject"], "type": "t", "data": {}}
        declined = {"case": row["subject"], "input_id": "x", "because": "No."}
        row["type"] = f"gridcall.{other}.v1"
        row["data"] = json.dumps(data | declined).encode()

    return plant


def is_step(to: object) -> bool:
    return isinstance(to, str) and to[:1] in ("+", "-") and to[1:].isdecimal()


def tell(log: str, kind: str, nth: int = 0, **fields: Any) -> Plant:
    """Change fields of an event."""

    def plant(h: History) -> None:
        row = h.rows(log, kind)[nth]
        row["data"] = json.dumps(json.loads(row["data"]) | fields).encode()

    return plant


def remove(log: str, kind: str, nth: int = 0) -> Plant:
    return lambda h: h.logs[log].remove(h.rows(log, kind)[nth])


def copy(log: str, kind: str, nth: int = 0, **columns: Any) -> Plant:
    """Append a copy of a row, in the order of its log."""

    def plant(h: History) -> None:
        row, shard = dict(h.rows(log, kind)[nth]), NORTH
        head, before = (
            h.head(log, shard),
            [other for other in h.logs[log] if other["shard"] == shard],
        )
        sequence = (
            sum(other["subject"] == columns.get("subject", row["subject"]) for other in before) + 1
        )
        head["pos"] += 1
        h.logs[log].append(
            {
                **row,
                "shard": shard,
                "pos": head["pos"],
                "seq": sequence,
                "ts": before[-1]["ts"],
                **columns,
            }
        )

    return plant


def move_head(log: str, **columns: int) -> Plant:
    """Add to what a shard's row says."""
    return lambda h: h.head(log, NORTH).update(
        {name: h.head(log, NORTH)[name] + by for name, by in columns.items()}
    )


def forget_head(log: str) -> Plant:
    return lambda h: h.shards[log].remove(h.head(log, NORTH))


def answer(nth: int, **fields: Any) -> Plant:
    """Change the answer of a receipt."""
    return lambda h: h.receipts[nth].update(fields)


def answer_more(status: int, reference: str, position: int | None) -> Plant:
    name = identity([NORTH, "app", reference])
    more = receipt(NORTH, status, name, position, kind="action", source="app", reference=reference)
    return lambda h: h.receipts.append(more)


def plant_both(*plants: Plant) -> Plant:
    def plant(h: History) -> None:
        for one in plants:
            one(h)

    return plant


def case_of(reference: str) -> str:
    return identity([NORTH, "desk", "hotline", reference])


def decide(log: str, reference: str, event: Callable[[str], Event], cause: str = "") -> Plant:
    """Append a last decision about a case. Without a cause it follows from the last input."""

    def plant(h: History) -> None:
        case, d, head = case_of(reference), District(h, NORTH), h.head(log, NORTH)
        because = cause.replace("CASE", case) or f"{SOURCES[log]}/{NORTH}/{head['input']}"
        (head["pos"],) = d.write(
            log, d.rows(log)[-1]["ts"], head["input"], because, case, event(case)
        )

    return plant


def withdrawn(case: str) -> Event:
    return event_of(case, "case-withdrawn", because="a mistake")


def missed_again(case: str) -> Event:
    return clock(case, "deadline-missed", 50)


def call_again(number: int, *path: str, because: str = "silence") -> Callable[[str], Event]:
    return lambda case: call_raised(case, number, (path[0], path[1]), because, 80)


def deferred_input(case: str) -> Event:
    return "input-held", {"case": case}


PLANTS: dict[str, tuple[Plant, str, str]] = {
    # 1
    "an answer names an id that is no digest": (answer(3, id="f" * 32), "identity", "but ['north'"),
    "an issue in the log is not its digest": (
        tell("intake", "issue-reported", source="other"),
        "identity",
        "intake/north/2",
    ),
    "an accepted input is not in the log": (
        remove("intake", "visit-made"),
        "lost",
        "accepted as position",
    ),
    "an answer is about nothing": (answer_more(202, "B1", 99), "lost", "accepted as position 99"),
    "a conflict is with nothing": (answer_more(409, "B1", None), "lost", "answered 409"),
    "an input is in the log twice": (
        copy("intake", "visit-made"),
        "twice",
        "which is in the log before",
    ),
    "a repeat was answered with another position": (
        answer(-5, pos=2),
        "position",
        "answered with 1 before",
    ),
    "an answer has another position than the log": (
        answer(1, pos=7),
        "position",
        "answered with position 7",
    ),
    "an answer has no position": (answer(1, pos=None), "position", "position None"),
    "a refused input is in the log": (answer(1, status=422), "refused", "refused with 422"),
    "an input has no outcome": (
        remove("cases", "input-declined"),
        "outcome",
        "no outcome in cases",
    ),
    "an input is decided twice": (
        copy("cases", "input-declined", input=24),
        "outcome",
        "decides intake/north/6 again",
    ),
    "an input has another kind of outcome": (
        change("cases", "answer-passed-on", type="gridcall.input-declined.v1"),
        "outcome",
        "is no outcome of intake/north/8 (answer-given)",
    ),
    "an outcome is about another issue": (
        tell("intake", "visit-made", issue="x"),
        "outcome",
        "is about x",
    ),
    "an outcome is about another call": (
        tell("intake", "answer-given", call="x/1"),
        "outcome",
        "about x/1",
    ),
    "an action waits for ever": (
        remove("cases", "case-visited"),
        "outcome",
        "1 actions that waited",
    ),
    "an issue has no case": (remove("cases", "case-reported"), "case", "which has no case"),
    "a case has no issue": (
        tell("cases", "case-reported", issue="x"),
        "case",
        "for issue x, because of",
    ),
    "an issue has two cases": (
        tell("cases", "case-reported", 1, issue=case_of("missed")),
        "case",
        "which has case",
    ),
    # 2
    "a case is in no state": (
        remove("cases", "case-queued"),
        "state",
        "is reported, and in none of",
    ),
    "a case ended in a way that is none": (
        tell("cases", "case-ended-at-source", outcome="lost"),
        "state",
        "in none of",
    ),
    "a case is in two states": (
        decide("cases", "withdrawn", withdrawn),
        "state",
        "which is withdrawn",
    ),
    "a parked case goes on": (decide("cases", "poison", withdrawn), "state", "which is parked"),
    # 3
    "a position is left out": (
        change("calls", "call-acknowledged", pos="+1"),
        "gap",
        "follows position",
    ),
    "a row landed behind its shard": (move_head("calls", pos=-1), "head", "row says"),
    "a row is not there any more": (remove("calls", "call-acknowledged"), "head", "row says"),
    "a shard has no row": (forget_head("cases"), "head", "has no row"),
    "time goes back": (change("intake", "answer-given", ts=14), "time", "before it at"),
    "a shard's time is behind its log": (
        move_head("intake", ts=-30),
        "time",
        "shard's row says 70",
    ),
    "an outcome has another time than its cause": (
        change("cases", "answer-passed-on", ts=61),
        "time",
        "its cause intake",
    ),
    "a subject's numbers have a gap": (
        change("cases", "case-withdrawn", seq="+1"),
        "sequence",
        "after number 2",
    ),
    "a step is left out": (change("cases", "case-routed", n=3), "step", "after step 1"),
    "a decision has two times": (
        change("cases", "case-visited", ts="+1"),
        "step",
        "another input, cause, time",
    ),
    "an input is no decision of its own": (
        change("intake", "visit-made", n=2),
        "step",
        "of its own",
    ),
    "the input goes back": (
        change("calls", "clock-handed-over", input=1),
        "input",
        "the row before it after",
    ),
    "the input is not there": (
        change("calls", "call-acknowledged", input=99),
        "input",
        "but the last one is",
    ),
    "the input is not the cause": (
        change("cases", "case-queued", input="-1"),
        "input",
        "because of",
    ),
    "an input follows from an input": (
        change("intake", "visit-made", input=1),
        "input",
        "intake reads no log",
    ),
    "a cause is not named": (change("cases", "case-withdrawn", cause=""), "cause", "''"),
    "a cause is not there": (
        change("calls", "call-answered", cause="cases/north/99"),
        "cause",
        "which is not there",
    ),
    "a cause is another district's": (
        change("calls", "call-answered", cause="cases/south/3"),
        "cause",
        "which is not there",
    ),
    "an input has a cause": (
        change("intake", "visit-made", cause="intake/north/1"),
        "cause",
        "came from outside",
    ),
    "a clock is another case's": (
        change("calls", "deadline-missed", cause="clock/x/deadline/1"),
        "cause",
        "no clock of its",
    ),
    "an input is filed wrongly": (
        tell("intake", "visit-made", action="x"),
        "subject",
        "tells of x",
    ),
    "a row of cases is filed wrongly": (
        tell("cases", "case-withdrawn", case="x"),
        "subject",
        "tells of case x",
    ),
    "a row of calls is filed wrongly": (
        tell("calls", "clock-stopped", case="x"),
        "subject",
        "tells of case x",
    ),
    "a row has no fields": (change("cases", "case-routed", data=b"{"), "unreadable", "has no case"),
    "a field is no text": (tell("cases", "case-reported", issue=7), "unreadable", "7, and no text"),
    "a due time is no number": (
        tell("calls", "clock-started", due="soon"),
        "unreadable",
        "no whole number",
    ),
    "a due time is null": (tell("calls", "clock-started", due=None), "unreadable", "due is null"),
    "policies have limits that are none": (
        tell("cases", "policies-adopted", limits=[1]),
        "unreadable",
        "limits that are none",
    ),
    "an input is of an unknown type": (
        change("intake", "visit-made", type="gridcall.seen.v9"),
        "unreadable",
        "seen.v9",
    ),
    "an outcome is of an unknown type": (
        change("cases", "case-visited", type="gridcall.seen.v1"),
        "unreadable",
        "seen",
    ),
    "a call is of an unknown type": (
        change("calls", "call-acknowledged", type="gridcall.seen.v1"),
        "unreadable",
        "seen",
    ),
    # 5
    "a deadline was missed before its time": (
        change("calls", "deadline-missed", ts=19),
        "deadline",
        "should be at 20",
    ),
    "a deadline was missed before what intake saw first": (
        change("calls", "deadline-missed", input="-1"),
        "deadline",
        "too early",
    ),
    "a deadline was missed after what came later": (
        change("calls", "deadline-missed", input="+1"),
        "deadline",
        "too late",
    ),
    "a missed deadline was forgotten": (
        plant_both(remove("calls", "deadline-missed", 1), remove("calls", "call-raised", 2)),
        "deadline",
        "no deadline was missed",
    ),
    "a missed deadline was forgotten until the case ended": (
        plant_both(
            remove("calls", "deadline-missed"),
            remove("calls", "call-raised"),
            remove("calls", "call-raised"),
        ),
        "deadline",
        "due at 20, and no deadline was missed",
    ),
    "a clock that does not run ran out": (
        tell("calls", "deadline-missed", run=2),
        "deadline",
        "no such clock runs",
    ),
    "a deadline was missed at another level": (
        tell("calls", "deadline-missed", holder=holder("street")),
        "deadline",
        "in a street",
    ),
    "a deadline was missed after its case ended": (
        decide("calls", "withdrawn", missed_again, cause="clock/CASE/deadline/1"),
        "deadline",
        "its case has ended",
    ),
    "a parked case missed a deadline": (
        decide("calls", "poison too", missed_again, cause="clock/CASE/deadline/1"),
        "deadline",
        "its case is parked",
    ),
    "a deadline was missed because of an input": (
        change("calls", "deadline-missed", cause="cases/north/2"),
        "deadline",
        "which is no clock",
    ),
    "a clock was not started": (
        remove("calls", "clock-started", 4),
        "clock",
        "nothing follows from it",
    ),
    "a clock by a policy row was not started": (
        remove("calls", "clock-started", 2),
        "clock",
        "nothing follows from it",
    ),
    "a clock was not stopped": (remove("calls", "clock-stopped"), "clock", "was not stopped"),
    "a clock was not handed over": (
        remove("calls", "clock-handed-over"),
        "clock",
        "nothing follows from it",
    ),
    "policies were not taken up": (
        remove("calls", "policies-adopted"),
        "clock",
        "nothing follows from it",
    ),
    "a clock was started twice": (
        copy("calls", "clock-started", 5, input=35),
        "clock",
        "after clock 1",
    ),
    "a clock has another due time than was promised": (
        tell("calls", "clock-started", due=21),
        "clock",
        "promised 20",
    ),
    "a clock runs by other policies": (
        tell("calls", "clock-started", policies="old"),
        "clock",
        "starts a clock by old",
    ),
    "a clock runs for another level": (
        tell("calls", "clock-started", holder=holder("street")),
        "clock",
        "runs for the street",
    ),
    "another clock was stopped": (
        tell("calls", "clock-stopped", run=2),
        "clock",
        "which does not run",
    ),
    "a clock was stopped by nothing": (
        change("calls", "clock-stopped", cause="cases/north/2"),
        "clock",
        "does nothing to",
    ),
    "an input of no parked case was held": (
        decide("calls", "late", deferred_input),
        "clock",
        "which is not parked",
    ),
    "an input of a parked case was not held": (
        remove("calls", "input-held"),
        "clock",
        "was not held",
    ),
    "a missed deadline called nobody": (
        remove("calls", "call-raised"),
        "call",
        "not to a missed deadline and one call",
    ),
    "a missed deadline called twice": (
        plant_both(
            change("calls", "call-raised", 1, n=3),
            change("calls", "call-raised", 1, cause="x", input=12),
        ),
        "call",
        "deadline-missed, call-raised, call-raised",
    ),
    "a missed deadline called the wrong level": (
        tell("calls", "call-raised", to_level="district"),
        "call",
        "grid → district",
    ),
    "a call has another number": (
        tell("calls", "call-raised", call="x/7"),
        "call",
        "raises call x/7",
    ),
    "a level is called twice": (
        decide(
            "calls", "withheld", call_again(2, "street", "district"), cause="clock/CASE/answer/1"
        ),
        "call",
        "where one is open",
    ),
    "a call follows from no clock": (
        change("calls", "call-raised", 1, cause="cases/north/4"),
        "call",
        "which is no clock",
    ),
    "a silence called nobody": (remove("calls", "call-raised", 1), "silence", "nobody was called"),
    "a silence led to more": (change("calls", "call-answered", n=2), "silence", "led to 2 rows"),
    "there was no silence": (
        decide(
            "calls", "withheld", call_again(2, "street", "district"), cause="clock/CASE/answer/1"
        ),
        "silence",
        "no street is asked and silent",
    ),
    "a silence was called before its time": (
        change("calls", "call-raised", 1, ts=29),
        "silence",
        "should be at 30",
    ),
    "a silence was called too late": (
        change("calls", "call-raised", 1, input="+1"),
        "silence",
        "too late",
    ),
    "a silence called the wrong level": (
        tell("calls", "call-raised", 1, to_level="street"),
        "silence",
        "street → street",
    ),
    "a call may stay unanswered too long": (
        tell("calls", "call-raised", answer_due=31),
        "silence",
        "by the policies in force",
    ),
    "a call ended twice": (
        copy("calls", "call-withdrawn", input=35, n=1),
        "ending",
        "which is not open",
    ),
    "a call was withdrawn from an open case": (
        change("calls", "call-acknowledged", type="gridcall.call-withdrawn.v1"),
        "ending",
        "does not",
    ),
    "a call was answered by nobody": (
        change("calls", "call-acknowledged", type="gridcall.call-answered.v1"),
        "ending",
        "does not",
    ),
    "a call outlived its case": (
        remove("calls", "call-withdrawn"),
        "ending",
        "ended its case, and call",
    ),
    "an answer has no outcome": (remove("calls", "call-answered"), "ending", "no outcome in calls"),
    "an answer did not end its call": (
        change("calls", "call-answered", type="gridcall.call-action-declined.v1"),
        "ending",
        "still open",
    ),
    "a reopening dropped the promise of its line": (
        tell("cases", "case-reopened", 1, matter=matter(None)),
        "clock",
        "its line promised 850",
    ),
    "a reopening renewed a promise that had passed": (
        tell("cases", "case-reopened", matter=matter(20)),
        "clock",
        "until 20; its line promised 20",
    ),
    "a reopening kept silent about its missing deadline": (
        remove("calls", "reopened-without-deadline"),
        "clock",
        "nothing follows from it in calls",
    ),
    "a deadline was said to be missing": (
        change("calls", "clock-started", -2, type="gridcall.reopened-without-deadline.v1"),
        "clock",
        "has no deadline, but",
    ),
    "a case that did not reopen was said to have no deadline": (
        change("calls", "clock-started", type="gridcall.reopened-without-deadline.v1"),
        "clock",
        "reopened without a deadline; it did not",
    ),
    "more actions wait for an issue than may": (
        exchange("cases", "input-declined", -1, "action-waits"),
        "outcome",
        "leaves 33 actions",
    ),
    "an action was declined though few wait": (
        exchange("cases", "action-waits", 5, "input-declined"),
        "outcome",
        "leaves 4 actions",
    ),
    # 8
    "routing has not caught up": (
        move_head("cases", input=-1),
        "lag",
        "cases/north has applied intake",
    ),
    "escalation has not caught up": (
        move_head("calls", input=-1),
        "lag",
        "calls/north has applied cases",
    ),
    "a stage is further than its source": (
        move_head("calls", ts=1),
        "ahead",
        "calls/north is at time 101",
    ),
}


# ── The tests ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def raw_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterable[str]:
    """A database with the tables of the three services, made by plain SQL."""
    server = start_server(tmp_path_factory.mktemp("raw"))
    asyncio.run(make_tables(server.get_uri()))
    yield server.get_uri("raw")
    server.cleanup()


async def make_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE raw")
    await connection.close()
    connection = await asyncpg.connect(url, database="raw")
    for schema in SCHEMAS.values():
        await connection.execute(SCHEMA.format(schema=schema))
    await connection.close()


async def fill(url: str, made: History) -> None:
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    tables = [f"{schema}.{table}" for schema in SCHEMAS.values() for table in ("log", "shard")]
    await connection.execute(f"TRUNCATE {', '.join(tables)}")
    for log, schema in SCHEMAS.items():
        for table, columns, rows in (
            ("log", LOG, made.logs[log]),
            ("shard", SHARD, made.shards[log]),
        ):
            records = [tuple(row[column] for column in columns) for row in rows]
            await connection.copy_records_to_table(
                table, schema_name=schema, columns=columns, records=records
            )
    await connection.close()


def check_history(url: str, made: History) -> list[Violation]:
    async def filled_and_checked() -> list[Violation]:
        await fill(url, made)
        return await check(url, made.receipts)

    return asyncio.run(filled_and_checked())


def test_a_correct_history_shows_nothing(raw_postgres: str) -> None:
    assert check_history(raw_postgres, history()) == []


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_planted_is_found(raw_postgres: str, name: str) -> None:
    plant, kind, part = PLANTS[name]
    made = history()
    plant(made)
    violations = check_history(raw_postgres, made)
    assert any(violation.kind == kind and part in violation.sentence for violation in violations), (
        violations
    )


def test_something_is_planted_for_each_kind() -> None:
    assert {kind for _, kind, _ in PLANTS.values()} == set(KINDS)


# ── The command ──────────────────────────────────────────────────────────────────────────────────


ReceiptsFile = Callable[[History], list[str]]


@pytest.fixture
def receipts_file(raw_postgres: str, tmp_path: Path) -> ReceiptsFile:
    """The arguments of a check of a history."""

    def arguments(made: History) -> list[str]:
        asyncio.run(fill(raw_postgres, made))
        file = tmp_path / "receipts.jsonl"
        file.write_text(
            "".join(json.dumps(receipt, ensure_ascii=False) + "\n" for receipt in made.receipts)
        )
        return ["--database", raw_postgres, "--receipts", str(file)]

    return arguments


def test_the_command_says_what_it_looked_at(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    assert main(receipts_file(made)) == 0
    rows = sum(map(len, made.logs.values()))
    said = (
        f"{len(made.receipts)} receipts, {rows} rows: nothing lost, nothing twice, nothing wrong\n"
    )
    assert capsys.readouterr().out == said


def test_of_each_kind_the_command_says_twenty_and_counts_the_rest(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    for number in range(25):
        answer_more(202, f"B{number}", 99)(made)
    change("calls", "call-acknowledged", cause="")(made)
    assert main(receipts_file(made)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("lost (guarantee 1): north: ") for line in lines) == 20
    assert "lost (guarantee 1): and 5 more" in lines
    assert sum(line.startswith("cause (guarantee 3): calls/north/") for line in lines) == 1


def test_the_command_says_the_same_in_json(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    answer_more(202, "B1", 99)(made)
    assert main([*receipts_file(made), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"lost": 1}
    assert [violation["kind"] for violation in said["violations"]] == ["lost"]
    assert said["receipts"] == len(made.receipts)


@pytest.mark.parametrize("line", ["{", "7", '{"district": "north"}'])
def test_what_is_no_receipt_is_no_violation_and_cannot_be_checked(
    receipts_file: ReceiptsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    arguments = receipts_file(history())
    (tmp_path / "receipts.jsonl").write_text(line)
    assert main(arguments) == 2
    assert "line 1 is no receipt" in capsys.readouterr().err


def test_a_database_that_is_not_there_cannot_be_checked(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [part.replace("/raw?", "/nothing?") for part in receipts_file(history())]
    assert main(arguments) == 2
    assert 'database "nothing" does not exist' in capsys.readouterr().err


def test_the_checker_imports_nothing_of_gridcalls() -> None:
    for path in sorted((ROOT / "tools" / "checker").glob("*.py")):
        names = set[str]()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        foreign = {name for name in names if not name.startswith("tools.checker.")}
        assert {name.partition(".")[0] for name in foreign} <= {*sys.stdlib_module_names, "asyncpg"}
