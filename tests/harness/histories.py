"""Hypothesis strategies for histories of a district, and the rows that its stages make of one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import strategies as st

from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from events import catalogue as e
from events.topology import LOGS
from gridcall.pipeline import pipeline
from tests.harness.city import (
    ADMISSION_ADOPTED,
    CONTENTS,
    DAY,
    HOUR,
    MAP_ADOPTED,
    NEXT_MAP_ADOPTED,
    NEXT_ROSTER_SENT,
    POLICIES_SENT,
    ROSTER_SENT,
)

CASES = [letter * 32 for letter in "abc"]
END = 60 * DAY
PIPELINE = pipeline(CONTENTS)
ADOPTED = [
    MAP_ADOPTED,
    ROSTER_SENT,
    POLICIES_SENT,
    e.ReferenceAdopted(kind="decider", name="2026-11", digest=""),
]
claims = st.lists(
    st.sampled_from(
        [
            e.PlaceClaim(by="point", lat=0.5, lon=0.5),
            e.PlaceClaim(by="point", lat=0.1, lon=0.1),
            e.PlaceClaim(by="point", lat=1.0, lon=0.0),
            e.PlaceClaim(by="point", lat=50.0, lon=50.0),
            e.PlaceClaim(by="no_point"),
            e.PlaceClaim(by="grid", code="0102"),
            e.PlaceClaim(by="grid", code="nowhere"),
            e.PlaceClaim(by="street", code="02"),
        ]
    ),
    max_size=2,
).map(tuple)
people = st.sampled_from(["ann", "bob", "eve"])
cases = st.sampled_from(CASES)
calls = st.builds(lambda case, number: f"{case}/{number}", cases, st.integers(1, 3))
actions = st.one_of(
    st.builds(
        e.PlaceNamed,
        action=st.just("x"),
        issue=cases,
        by=people,
        grid=st.sampled_from(["0101", "nowhere"]),
    ),
    st.builds(e.VisitMade, action=st.just("x"), issue=cases, by=people),
    st.builds(
        e.ResolutionClaimed,
        action=st.just("x"),
        issue=cases,
        by=people,
        root_cause=st.just("cause"),
    ),
    st.builds(
        e.ResolutionChecked, action=st.just("x"), issue=cases, by=people, holds=st.booleans()
    ),
    st.builds(e.ClosingAsked, action=st.just("x"), issue=cases, by=people),
    st.builds(
        e.ReopeningAsked,
        action=st.just("x"),
        issue=cases,
        because=st.sampled_from(["recurrence", "unsatisfied"]),
    ),
    st.builds(e.IssueWithdrawn, action=st.just("x"), issue=cases, because=st.just("mistake")),
    st.builds(
        e.EndedAtSource,
        action=st.just("x"),
        issue=cases,
        outcome=st.sampled_from(["closed", "withdrawn"]),
        rules=st.just(()),
    ),
    calls.flatmap(
        lambda call: st.builds(
            e.AcknowledgementGiven,
            action=st.just("x"),
            issue=st.just(call[:32]),
            call=st.just(call),
            by=people,
        )
    ),
    calls.flatmap(
        lambda call: st.builds(
            e.AnswerGiven,
            action=st.just("x"),
            issue=st.just(call[:32]),
            call=st.just(call),
            by=people,
        )
    ),
)
issues = st.builds(
    e.IssueReported,
    issue=cases,
    source=st.just("source"),
    line=st.sampled_from(e.LINES),
    reference=st.just("R"),
    category=st.sampled_from(["Rubbish", "Roadworks", "Dragons"]),
    urgency=st.sampled_from(e.URGENCIES),
    due=st.none() | st.integers(0, 40 * DAY),
    claims=claims,
    rules=st.just(()),
)
adoptions = st.sampled_from([MAP_ADOPTED, NEXT_MAP_ADOPTED, ROSTER_SENT, NEXT_ROSTER_SENT])
inputs = st.one_of(issues, issues, actions, actions, actions, actions, adoptions)
histories = st.lists(
    st.tuples(st.integers(0, 5 * DAY) | st.sampled_from([0, HOUR, DAY]), inputs), max_size=25
)


def drafts_of(history: list[tuple[int, Any]], *, strict: bool) -> list[Draft]:
    """Return the history as intake writes it: each issue once, each action with its own id."""
    reference = [*ADOPTED, ADMISSION_ADOPTED] if strict else ADOPTED
    drafts = [Draft(0, REFERENCE, event) for event in reference]
    at, seen = 0, set()
    for number, (later, event) in enumerate(history):
        at += later
        if isinstance(event, e.IssueReported):
            if event.issue not in seen:
                drafts.append(Draft(at, event.issue, event))
            seen.add(event.issue)
        elif isinstance(event, e.ReferenceAdopted):
            drafts.append(Draft(at, REFERENCE, event))
        else:
            drafts.append(Draft(at, f"x{number}", event))
    return drafts


def run(drafts: list[Draft], chance: random.Random | None = None) -> list[Row]:
    """Return all rows of `cases`, `calls` and `evaluations`.

    With `chance`, batches have any size, and watermarks are anywhere.
    """

    async def feed() -> list[Row]:
        intake, *stage_logs = (MemoryLog(name) for name in LOGS)
        logs = {log.name: log for log in (intake, *stage_logs)}
        runners = [stages.processor("city", logs, 100) for stages in PIPELINE]
        left = list(drafts)
        while left:
            size = chance.randint(1, 4) if chance else len(left)
            part, left = left[:size], left[size:]
            await intake.append("city", part)
            if chance and left and chance.random() < 0.5:
                await intake.announce("city", chance.randint(part[-1].at, left[0].at))
            for runner in runners:
                runner.batch = chance.randint(1, 5) if chance else 100
                if not chance or chance.random() < 0.7:
                    await runner.catch_up()
        await intake.announce("city", END)
        for runner in runners:
            await runner.catch_up()
        return [row for log in stage_logs for row in await log.read("city", 0, 10_000)]

    return asyncio.run(feed())
