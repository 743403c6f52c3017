"""The walk-through from its first chapter to its last."""

from __future__ import annotations

from gridcall.demo.presenter import Presenter
from gridcall.demo.sandbox import open_sandbox
from gridcall.demo.walkthrough.chapters import CHAPTERS
from gridcall.demo.walkthrough.story import READING_SPEED, Story

WAITING_SPEED, HURRY_SPEED = 240, 1200  # While a deadline is awaited: an hour in 15 s, or in 3 s.


def present(presenter: Presenter, waiting_speed: float) -> None:
    """Present all chapters. `waiting_speed` is the pace of time while a deadline is awaited."""
    presenter.say("begins")
    with open_sandbox(READING_SPEED) as sandbox:
        story = Story(sandbox, presenter, waiting_speed)
        for chapter in CHAPTERS:
            presenter.begin_step(chapter.__name__)
            chapter(story)
    presenter.end()
