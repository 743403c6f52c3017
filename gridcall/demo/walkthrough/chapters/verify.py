"""A fresh fold of the inputs equals everything that the services wrote."""

from __future__ import annotations

import json
import time

from gridcall.demo.signals import pause
from gridcall.demo.walkthrough.display import require
from gridcall.demo.walkthrough.story import PATIENCE_SECONDS, Story


def verify(story: Story) -> None:
    """Wait for the stages, and compare."""
    end = time.monotonic() + PATIENCE_SECONDS
    while has_lag(story):
        require(
            time.monotonic() < end,
            "a stage is behind its input after the restart; gridcall status says which",
        )
        pause()
    output = story.run_command("gridcall verify")
    story.presenter.show_output(output.strip())
    require("are equal" in output, f"the fold differs: {output}")
    story.presenter.show_result()


def has_lag(story: Story) -> bool:
    """Return True while a shard lags behind its input."""
    status = json.loads(story.sandbox.run("gridcall status --json"))
    return any(shard["lag"] for shard in status["shards"])
