"""The process is killed during a burst of posts. Answered posts are stored; others are repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from gridcall.demo.licheng.units import CODE, streets
from gridcall.demo.signals import pause
from gridcall.demo.walkthrough.display import require
from gridcall.demo.walkthrough.requests import CONTINUATION, Request
from gridcall.demo.walkthrough.story import Story

BURST, KILLED_AFTER = 30, 8
NO_ANSWER = "000"  # As curl prints it.


def crash(story: Story) -> None:
    """Kill the process during a burst, start it again, and repeat the burst."""
    before = kill_during_burst(story)
    story.presenter.show_command("gridcall up &")
    story.sandbox.kill()  # It is dead already; this waits for its end.
    story.sandbox.start()
    story.presenter.show_command(burst_as_curl())
    after = post_burst(story.sandbox.environment, [])
    story.presenter.show_output(" ".join(after))
    known, new = after.count("200"), after.count("202")
    require(
        known >= before.count("202") and known + new == BURST,
        f"of {BURST} posts {known} were known and {new} new",
    )
    stored = count_stored(story)
    require(stored == BURST, f"intake's log has {stored} of the {BURST} issues")
    again = story.post_issue(story.issue)
    require(
        again.body.get("tracking") == story.first_answer["tracking"],
        "the first issue has another tracking code now",
    )
    story.presenter.show_result(answered=before.count("202"), known=known, new=new)


def burst_request(number: int | str) -> Request:
    """Return one post of the burst."""
    place = {"street": streets()[1].code}
    body: dict[str, Any] = {"reference": f"burst-{number}", "category": "noise", "place": place}
    return Request(path="/issues/hotline", key="KEY", body=body)


def burst_as_curl() -> str:
    """Return the shell command that posts the burst, one issue after the other."""
    issue = burst_request("'$n'").body
    curl = "curl -s -o /dev/null -w '%{http_code} ' \"$URL/issues/hotline\""
    parts = [
        f'for n in $(seq {BURST}); do {curl} -H "Authorization: Bearer $KEY"',
        "-H 'Content-Type: application/json'",
        f"-d '{json.dumps(issue)}'; done; true",
    ]
    return CONTINUATION.join(parts)


def post_burst(environment: Mapping[str, str], statuses: list[str]) -> list[str]:
    """Post the burst, append each status to `statuses`, and return them."""
    for number in range(1, BURST + 1):
        try:
            statuses.append(str(burst_request(number).send(environment).status_code))
        except httpx.TransportError:
            statuses.append(NO_ANSWER)
    return statuses


def kill_during_burst(story: Story) -> list[str]:
    """Kill the process during a burst. Return the statuses of all posts."""
    kill, statuses = f"kill -9 {story.sandbox.pid}", list[str]()
    story.presenter.show_command(burst_as_curl())
    with ThreadPoolExecutor(1) as pool:
        burst = pool.submit(post_burst, story.sandbox.environment, statuses)
        while len(statuses) < KILLED_AFTER and not burst.done():
            pause(0.001)
        story.sandbox.run(kill)
        shown = len(statuses)
        burst.result()
    story.presenter.show_output(f"{' '.join(statuses[:shown])} ...")
    story.presenter.show_command(kill)
    story.presenter.show_output(f"... {' '.join(statuses[shown:])}")
    require(
        "202" in statuses and NO_ANSWER in statuses,
        f"the process was not killed in the middle: {' '.join(statuses)}",
    )
    return statuses


def count_stored(story: Story) -> int:
    """Return the number of the burst's issues in intake's log."""
    request, mark = Request(path=f"/log/{CODE}", key="READER"), '"reference":"burst-'
    story.presenter.show_command(f"{request.as_curl()} | grep -c '{mark}'")
    lines = request.rows(story.sandbox.environment).splitlines()
    stored = sum(mark in line for line in lines)
    story.presenter.show_output(str(stored))
    return stored
