"""A history by hand: its tables, and a writer for a district, in the order in which it happens."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tools.checker.receipts import Receipt, identity

Event = tuple[str, dict[str, Any]]
Table = list[dict[str, Any]]

SCHEMAS = {
    "intake": "intake",
    "cases": "routing",
    "calls": "escalation",
    "evaluations": "assessment",
}
SOURCES: dict[str, tuple[str, ...]] = {
    "intake": (),
    "cases": ("intake",),
    "calls": ("cases",),
    "evaluations": ("cases", "calls"),
}
POLICIES = "gridcall.policies-adopted.v1"
SHANGHAI_US = 8 * 3_600_000_000
JANUARY: Event = (
    "month-scheduled",
    {
        "period": "1970-01",
        "zone": "Asia/Shanghai",
        "starts": -SHANGHAI_US,
        "ends": 31 * 24 * 3_600_000_000 - SHANGHAI_US,
    },
)
LOG = ("shard", "pos", "ts", "input", "n", "subject", "seq", "cause", "type", "data")
SHARD = ("shard", "pos", "ts", "input", "epoch", "adopted")

NORTH, EAST, SOUTH, WEST = "north", "east", "south", "west"
NOW = 100
WITHIN = 10  # A call may stay unanswered so long.


class History:
    """The tables of four services, and the answers to clients."""

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
        """One decision about one subject; its positions."""
        decided = [(subject, event) for event in events]
        return self.write_decision(log, time, input_, cause, decided)

    def write_decision(
        self, log: str, time: int, input_: int, cause: str, decided: list[tuple[str, Event]]
    ) -> list[int]:
        """One decision about any subjects; its positions."""
        before = self.rows(log)
        sequences = Counter(row["subject"] for row in before)
        for n, (subject, (kind, data)) in enumerate(decided, 1):
            type_name = f"gridcall.{kind}.v1"
            sequences[subject] += 1
            values = (
                self.shard,
                len(before) + n,
                time,
                input_,
                n,
                subject,
                sequences[subject],
                cause,
                type_name,
                json.dumps(data).encode(),
            )
            self.history.logs[log].append(dict(zip(LOG, values, strict=True)))
        return [len(before) + n for n in range(1, len(decided) + 1)]

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
        return self.outcomes(*((subject, event) for event in events))

    def outcomes(self, *decided: tuple[str, Event]) -> list[int]:
        """Add routing's outcome of the last input, about several subjects."""
        given = self.rows("intake")[-1]
        cause = f"intake/{self.shard}/{given['pos']}"
        return self.write_decision("cases", given["ts"], given["pos"], cause, list(decided))

    def last_input(self) -> dict[str, Any]:
        """Return the last input as it is stored while it waits."""
        return self.stored_row("intake", len(self.rows("intake")))

    def stored_row(self, log: str, position: int) -> dict[str, Any]:
        """Return a row as an input that waits."""
        return stored_input(log, self.rows(log)[position - 1])

    def waits(self, case: str, expires: int | None = None) -> int:
        """Let the last input, an action, wait for the report of a case; return its position."""
        event = "action-waits", {"issue": case, "input": self.last_input(), "expires": expires}
        self.outcome(case, event)
        return len(self.rows("intake"))

    def parks(self, case: str) -> None:
        """Let the last input park its case, or wait behind it."""
        parked = any(
            row["subject"] == case and row["type"] == "gridcall.case-parked.v1"
            for row in self.rows("cases")
        )
        data = {"case": case, "input": self.last_input()}
        self.outcome(case, ("input-held", data) if parked else ("case-parked", data | FAULT))

    def decides_late(
        self, position: int, subject: str, *events: Event, log: str = "cases"
    ) -> list[int]:
        """Add rows to the last decision of a log, about an input that had waited."""
        cause = f"{SOURCES[log][0]}/{self.shard}/{position}"
        return self.goes_on(log, cause, subject, *events)

    def goes_on(self, log: str, cause: str, subject: str, *events: Event) -> list[int]:
        """Add rows to the last decision of a log, with a cause of their own."""
        last = self.rows(log)[-1]
        positions = self.write(log, last["ts"], last["input"], cause, subject, *events)
        for step, each in enumerate(positions, last["n"] + 1):
            self.rows(log)[each - 1]["n"] = step
        return positions

    def waits_in_calls(self, position: int) -> None:
        """Let a row of `cases` park its case in escalation, or wait behind it."""
        row = self.rows("cases")[position - 1]
        case, parked = row["subject"], False
        for other in self.rows("calls"):
            if other["subject"] == case:
                kind = other["type"].removeprefix("gridcall.")
                parked = (parked or kind == "case-parked.v1") and kind != "case-retried.v1"
        data = {"case": case, "input": self.stored_row("cases", position)}
        self.follows(position, ("input-held", data) if parked else ("case-parked", data | FAULT))

    def retries_in_calls(self, time: int, case: str) -> None:
        """Ask escalation to decide a case again, and begin that decision."""
        retry = self.action(time, case, "retry-asked", by="operator", log="calls")
        request = {"case": case, "action": retry, "by": "operator"}
        (position,) = self.outcome(case, ("retry-passed-on", request))
        self.follows(position, ("case-retried", {"case": case}))

    def expires(self, issue: str, position: int, due: int) -> None:
        """Let an action expire, after all inputs so far."""
        event = {"issue": issue, "input": f"intake/{self.shard}/{position}", "because": "Late."}
        self.write(
            "cases",
            max(due, self.rows("cases")[-1]["ts"]),
            len(self.rows("intake")),
            f"clock/{issue}/expiry/{position}",
            issue,
            ("action-expired", event),
        )

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

    def count_months(self) -> None:
        """Add assessment's adoption of the policies, with which it begins to count a month."""
        adoptions = [row for row in self.rows("cases") if row["type"] == POLICIES]
        for row in adoptions:
            number = row["pos"] + sum(each["ts"] < row["ts"] for each in self.rows("calls"))
            cause = f"cases/{self.shard}/{row['pos']}"
            policies = ("policies-adopted", json.loads(row["data"]))
            self.write("evaluations", row["ts"], number, cause, "reference", policies)
            self.write("evaluations", row["ts"], number, cause, "months", JANUARY)
            self.rows("evaluations")[-1]["n"] = 2

    def rest(self) -> None:
        """Time has passed, and all stages have caught up."""
        self.count_months()
        for log, sources in SOURCES.items():
            values = (
                self.shard,
                len(self.rows(log)),
                NOW,
                sum(len(self.rows(source)) for source in sources),
                1,
                0,
            )
            self.history.shards[log].append(dict(zip(SHARD, values, strict=True)))


FAULT = {"fault": "KeyError"}


def stored_input(log: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as an input that waits."""
    name = f"{log}/{row['shard']}/{row['pos']}"
    return {"id": name, "time": row["ts"], "type": row["type"], "data": row["data"].decode()}


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
        "grid": None if level == "district" else "0101",
        "street": "01",
        "district": NORTH,
        "worker": "ann" if level == "grid" else None,
        "episode": int(level == "grid"),
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
    started: dict[str, Any] = {"policies": "policies-1", "rule": "line", "started": 0}
    more: dict[str, Any] = {"clock-started": started, "clock-handed-over": {"missed": False}}
    data = more.get(kind, {})
    return event_of(case, kind, level, run=1, due=due, **data)


def call_raised(case: str, number: int, path: tuple[str, str], because: str, time: int) -> Event:
    data = {
        "call": f"{case}/{number}",
        "from_level": path[0],
        "to_level": path[1],
        "because": because,
    }
    return event_of(case, "call-raised", **data, answer_due=time + WITHIN)


def case_of(reference: str) -> str:
    return identity([NORTH, "desk", "hotline", reference])
