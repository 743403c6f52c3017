"""A missed deadline calls the street. A silent street calls the district."""

from __future__ import annotations

from events.instants import instant
from gridcall.demo.walkthrough.display import LogRow, first_of, require, wall_clock
from gridcall.demo.walkthrough.story import READING_SPEED, Story


def climb(story: Story) -> None:
    """Let time pass beyond two deadlines."""
    story.sandbox.set_speed(story.waiting_speed)
    street = call_street(story)
    district = call_district(story, street.data["answer_due"])
    story.calls = [street, district]
    story.sandbox.set_speed(READING_SPEED)
    story.presenter.show_result("district", officer=district.data["receiver"]["officer"])


def call_street(story: Story) -> LogRow:
    """Wait for the missed deadline, and return the call to the street."""
    rows = story.await_call("street", story.due)
    missed, call = first_of("deadline-missed", rows), first_of("call-raised", rows)
    require(
        instant(missed.time) == story.due,
        f"the miss is dated {missed.time}, and was due {wall_clock(story.due)}",
    )
    by = wall_clock(call.data["answer_due"])
    story.presenter.show_result("street", officer=call.data["receiver"]["officer"], by=by)
    return call


def call_district(story: Story, due: int) -> LogRow:
    """Wait for the street's silence, and return the call to the district."""
    call = first_of("call-raised", story.await_call("district", due))
    because = call.data["because"]
    require(because == "silence", f"the district was called because of {because}")
    return call
