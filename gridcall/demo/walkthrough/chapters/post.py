"""A post with `Prefer: wait` is answered with its outcome."""

from __future__ import annotations

from events.registry import short_type
from gridcall.demo.walkthrough.display import require
from gridcall.demo.walkthrough.story import Story


def post(story: Story) -> None:
    """Post an issue and wait for its outcome."""
    answer = story.post_issue(story.issue, wait=5)
    story.first_answer = answer.body
    outcome = answer.body.get("outcome") or {}
    kinds = [short_type(event["type"]) for event in outcome.get("events", [])]
    require(
        answer.status == 200 and kinds == ["case-reported", "case-routed"],
        f"the post led to {kinds or answer.body}",
    )
    story.presenter.show_result(position=answer.body["position"])
