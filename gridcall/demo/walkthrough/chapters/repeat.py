"""A repeated post gets the first answer. Other content under the same reference is refused."""

from __future__ import annotations

from gridcall.demo.walkthrough.display import require
from gridcall.demo.walkthrough.story import Story


def repeat(story: Story) -> None:
    """Post the same issue again, and then another one under its reference."""
    second = story.post_issue(story.issue)
    different = [
        name
        for name in ("id", "tracking", "position", "time")
        if second.body.get(name) != story.first_answer[name]
    ]
    require(
        second.status == 200 and not different,
        f"the second answer ({second.status}) differs in {', '.join(different)}",
    )
    other = story.post_issue({**story.issue, "category": "noise"})
    require(
        other.status == 409,
        f"other content under the same reference was answered {other.status}, not 409",
    )
    story.presenter.show_result()
