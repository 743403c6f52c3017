"""The gridworker's sheet has figures, each with its events."""

from __future__ import annotations

import re
import time

from gridcall.demo.signals import pause
from gridcall.demo.walkthrough.display import require
from gridcall.demo.walkthrough.story import PATIENCE_SECONDS, Story

FIGURES = {
    "reported": 1,
    "ended": 1,
    "due": 1,
    "in_time": 0,
    "missed": 1,
    "calls_raised": 2,
    "calls_answered": 1,
}


def count(story: Story) -> None:
    """Show the sheet as soon as it counts everything: time must pass the last event first."""
    command = f"gridcall sheet {story.worker}"
    story.presenter.show_command(command)
    end = time.monotonic() + PATIENCE_SECONDS
    while (figures := parse_figures(sheet := story.sandbox.run(command))) != FIGURES:
        require(time.monotonic() < end, f"the sheet has {figures}, and should have {FIGURES}")
        pause()
    story.presenter.show_output(*sheet.splitlines())
    missed = re.search(r"^missed .*calls/(\d+)$", sheet, re.MULTILINE)
    require(missed, "the figure `missed` names no event")
    story.presenter.show_result()


def parse_figures(sheet: str) -> dict[str, int]:
    """Return the figures of a printed sheet, summed over its months."""
    figures = dict.fromkeys(FIGURES, 0)
    for name, figure in re.findall(r"^(\w+) +(\d+)\b", sheet, re.MULTILINE):
        if name in figures:
            figures[name] += int(figure)
    return figures
