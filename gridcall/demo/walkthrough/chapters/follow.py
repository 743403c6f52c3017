"""The logs say where the case went, why, and until when it must be handled."""

from __future__ import annotations

from gridcall.demo.walkthrough.display import first_of, require, wall_clock
from gridcall.demo.walkthrough.scene import name_of
from gridcall.demo.walkthrough.story import Story


def follow(story: Story) -> None:
    """Read the rows of the case in both logs."""
    subject = f"--after 0 --subject {story.first_answer['id']}"
    holder = first_of("case-routed", story.tail("cases", subject)).data["holder"]
    require(holder["grid"] == story.grid, f"it went to {holder['grid']}, not to {story.grid}")
    require(holder["worker"] == story.worker, f"{holder['worker']} has it, not {story.worker}")
    clock = first_of("clock-started", story.tail("calls", subject))
    story.due, story.position = clock.data["due"], clock.position
    story.presenter.show_result(
        worker=story.worker,
        due=wall_clock(story.due),
        grid=story.grid,
        called=name_of(story.grid, story.presenter.language),
        street=name_of(story.grid[:9], story.presenter.language),
        rule=clock.data["rule"],
    )
