"""A call ends by an answer only."""

from __future__ import annotations

from gridcall.demo.walkthrough.story import Story


def answer(story: Story) -> None:
    """Let the street's officer acknowledge and answer its call."""
    call, receiver = (story.calls[0].data[name] for name in ("call", "receiver"))
    officer = receiver["officer"]
    story.act("acknowledgement_given", "call-acknowledged", call=call, by=officer)
    story.act("answer_given", "call-answered", call=call, by=officer)
    story.presenter.show_result()
