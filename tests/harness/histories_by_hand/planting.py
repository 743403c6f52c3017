"""Faults to plant in a history: a row changed, removed, copied or added."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from tests.harness.histories_by_hand.history import (
    NORTH,
    SOURCES,
    WEST,
    District,
    Event,
    History,
    Table,
    call_raised,
    case_of,
    clock,
    event_of,
    receipt,
)
from tools.checker.receipts import identity

Plant = Callable[[History], None]
Fault = tuple[Plant, str, str]  # With the kind of its violation, and a part of the sentence.


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
        stored = {"id": row["cause"], "time": row["ts"], "type": "t", "data": "{}"}
        data = {"issue": row["subject"], "input": stored, "expires": 500}
        declined = {"case": row["subject"], "input_id": "x", "because": "No."}
        row["type"] = f"gridcall.{other}.v1"
        row["data"] = json.dumps(data | declined).encode()

    return plant


def blame(kind: str, nth: int, other: str) -> Plant:
    """Let a row of `cases` name the cause of another one as its own: of the first of that kind."""

    def plant(h: History) -> None:
        h.rows("cases", kind)[nth]["cause"] = h.rows("cases", other)[0]["cause"]

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


def decide(log: str, reference: str, event: Callable[[str], Event], cause: str = "") -> Plant:
    """Append a last decision about a case. Without a cause it follows from the last input."""

    def plant(h: History) -> None:
        case, d, head = case_of(reference), District(h, NORTH), h.head(log, NORTH)
        because = cause.replace("CASE", case) or f"{SOURCES[log][0]}/{NORTH}/{head['input']}"
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


def decide_again(log: str, reference: str, *decisions: tuple[int, ...]) -> Plant:
    """Give the retry of a case in the west other rows: those of these steps, in this order.

    Each tuple is a decision of its own.
    """

    def plant(h: History) -> None:
        case = identity([WEST, "desk", "hotline", reference])
        ours = District(h, WEST).rows(log)
        kind = "gridcall.case-retried.v1"
        begin = [(row["type"], row["subject"]) for row in ours].index((kind, case))
        later = takewhile(lambda row: row["n"] > 1, ours[begin + 1 :])
        retried = [ours[begin], *later]
        again = [
            {**retried[step - 1], "n": n} for steps in decisions for n, step in enumerate(steps, 1)
        ]
        h.logs[log] = [row for row in h.logs[log] if row["shard"] != WEST]
        h.logs[log] += number([*ours[:begin], *again, *ours[begin + len(retried) :]])
        h.head(log, WEST)["pos"] = len(ours) - len(retried) + len(again)

    return plant


def number(rows: Table) -> Table:
    """Return rows with the positions and sequences of their new order."""
    sequences = Counter[str]()
    for position, row in enumerate(rows, 1):
        sequences[row["subject"]] += 1
        row |= {"pos": position, "seq": sequences[row["subject"]]}
    return rows


def deferred_input(case: str) -> Event:
    return "input-held", {"case": case, "input": {"id": "x"}}
