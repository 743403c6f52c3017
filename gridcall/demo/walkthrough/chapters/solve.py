"""The case is visited, resolved, verified by another person, and closed."""

from __future__ import annotations

from gridcall.demo.walkthrough.display import first_of, require
from gridcall.demo.walkthrough.story import Story


def solve(story: Story) -> None:
    """Handle the case to its end. The district's call is then withdrawn."""
    story.act("visit_made", "case-visited", by=story.worker)
    story.act("resolution_claimed", "case-resolved", by=story.worker, root_cause="parked_cars")
    refused = story.post_action("resolution_checked", by=story.worker, holds=True)
    require(refused["declined"], "the person who resolved the case could verify it")
    verifier = f"{story.grid[:9]}-verifier"
    story.act("resolution_checked", "case-verified", by=verifier, holds=True)
    story.act("closing_asked", "case-closed", by=story.worker)
    calls = story.tail("calls", f"--after {story.position}")
    withdrawn = first_of("call-withdrawn", calls).data["call"]
    require(
        withdrawn == story.calls[1].data["call"],
        f"call {withdrawn} was withdrawn, not the district's",
    )
    story.presenter.show_result(because=refused["because"])
