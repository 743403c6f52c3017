"""The state of the walk-through, and the acts that its chapters share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from events.registry import short_type
from gridcall.demo.licheng.units import CODE
from gridcall.demo.presenter import Presenter
from gridcall.demo.sandbox import Sandbox
from gridcall.demo.signals import pause
from gridcall.demo.walkthrough.display import (
    LogRow,
    parse_log,
    parse_tail,
    require,
    short_json,
    wall_clock,
)
from gridcall.demo.walkthrough.requests import Answer, Request
from gridcall.demo.walkthrough.scene import middle_of, school

READING_SPEED = 10  # The pace of the district's time while the reader reads.
PATIENCE_SECONDS = 20
REFERENCE = "story-1"


@dataclass
class Story:
    """The sandbox, the presenter, and the facts that later chapters need."""

    sandbox: Sandbox
    presenter: Presenter
    waiting_speed: float
    grid: str = field(default_factory=school)
    first_answer: dict[str, Any] = field(default_factory=dict)
    due: int = 0
    position: int = 0  # Of the last row of `calls` that was shown.
    unshown: list[LogRow] = field(default_factory=list)
    calls: list[LogRow] = field(default_factory=list)
    actions: int = 0

    @property
    def worker(self) -> str:
        return f"w-{self.grid}"

    @property
    def issue(self) -> dict[str, Any]:
        """Return the issue that the hotline reports."""
        place = {"point": middle_of(self.grid)}
        return {"reference": REFERENCE, "category": "fire_lane", "urgency": "life", "place": place}

    def run_command(self, command: str) -> str:
        """Show a command, run it, and return its output."""
        self.presenter.show_command(command)
        return self.sandbox.run(command)

    def send(self, request: Request) -> Answer:
        """Show a request, send it, and return the answer."""
        pause(0)
        self.presenter.show_command(request.as_curl())
        return request.answer(self.sandbox.environment)

    def post_issue(self, issue: Mapping[str, Any], *, wait: int = 0) -> Answer:
        """Post an issue to the hotline, and show the answer."""
        answer = self.send(Request(path="/issues/hotline", key="KEY", body=issue, wait=wait))
        self.presenter.show_output(f"{answer.status}  {short_json(answer.body)}")
        return answer

    def post_action(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Post an action on the case, show its outcome and return it."""
        self.actions += 1
        issue = {"id": self.first_answer["id"]}
        body = {"reference": f"act-{self.actions}", "type": kind, "issue": issue, **fields}
        answer = self.send(Request(path="/actions", key="PEOPLE", body=body, wait=5))
        outcome = answer.body.get("outcome")
        require(
            answer.status == 200 and outcome,
            f"{kind} was answered {answer.status} without an outcome: {answer.body}",
        )
        self.presenter.show_output(f"{answer.status}  {short_json(outcome)}")
        return dict(outcome)

    def act(self, kind: str, expected: str, **fields: Any) -> None:
        """Post an action that must lead to one event of the expected kind."""
        outcome = self.post_action(kind, **fields)
        kinds = [short_type(event["type"]) for event in outcome["events"]]
        require(
            kinds == [expected],
            f"{kind} led to {', '.join(kinds)}, not to {expected}: {outcome['because']}",
        )

    def tail(self, log: str, options: str) -> list[LogRow]:
        """Run `gridcall tail` without following, show the rows and return them."""
        rows = parse_tail(self.run_command(f"gridcall tail {log} --no-follow {options}"))
        self.presenter.show_output(*map(str, rows))
        return rows

    def await_call(self, to_level: str, due: int) -> list[LogRow]:
        """Poll escalation's log until it has the call to a level. Return the rows up to it.

        Later rows are remembered for the next time.
        """
        self.presenter.show_command(self._next_calls().as_curl())
        end = time.monotonic() + self.sandbox.seconds_until(due) + PATIENCE_SECONDS
        while not (calls := [row for row in self.unshown if is_call_to(row, to_level)]):
            require(
                time.monotonic() < end,
                f"the limit of {wall_clock(due)} has passed, and nobody called the {to_level}",
            )
            self.presenter.show_countdown(self.sandbox.seconds_until(due))
            self.unshown += parse_log(self._next_calls().rows(self.sandbox.environment))
            pause(0)
        count = self.unshown.index(calls[0]) + 1
        rows, self.unshown = self.unshown[:count], self.unshown[count:]
        self.position = rows[-1].position
        self.presenter.clear_countdown()
        self.presenter.show_output(*map(str, rows))
        return rows

    def _next_calls(self) -> Request:
        """Return the request for the next rows of `calls`. It waits a second for them."""
        after = self.unshown[-1].position if self.unshown else self.position
        return Request(path=f"/escalation/log/{CODE}?after={after}&wait=1", key="READER")


def is_call_to(row: LogRow, level: str) -> bool:
    """Return True for the row that raises a call to a level."""
    return row.kind == "call-raised" and row.data["to_level"] == level
