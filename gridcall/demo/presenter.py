"""The presentation of `gridcall demo`: sentences, commands, outputs, and time to read them."""

from __future__ import annotations

import json
import sys
import textwrap
from importlib.resources import files
from io import TextIOWrapper
from typing import Literal

import click

from gridcall.demo.signals import pause

Language = Literal["en", "zh"]

WIDTH = 112
READING_SECONDS: dict[Language, float] = {"en": 0.033, "zh": 0.075}  # For a character.
LOOKING_SECONDS = 0.8
CLEAR_LINE = "\r\x1b[2K"

SENTENCES: dict[str, dict[Language, str]] = json.loads(
    files(__package__).joinpath("sentences.json").read_text(encoding="utf-8")
)


class Presenter:
    """Presents on stdout. A countdown runs on stderr if that is a terminal."""

    def __init__(self, language: Language, fast: bool) -> None:
        self.language = language
        self.step = 0
        self._fast = fast
        self._name = ""
        self._countdown: int | None = None
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # For terminals without Chinese characters.

    def sentence(self, name: str, **facts: object) -> str:
        """Return a sentence in the presenter's language."""
        return SENTENCES[name][self.language].format(**facts)

    def say(self, name: str, **facts: object) -> None:
        """Print a sentence, and leave time to read it."""
        text = self.sentence(name, **facts)
        for line in text.splitlines():
            click.echo(textwrap.fill(line, WIDTH) if self.language == "en" else line)
        self._pause(len(text) * READING_SECONDS[self.language])

    def begin_step(self, name: str) -> None:
        """Print the heading of the next step and its reason."""
        self.step, self._name = self.step + 1, name
        heading = f"{self.step}  {self.sentence(name)}"
        click.echo(f"\n{click.style(heading, bold=True)}\n")
        self.say(f"{name}.why")

    def show_command(self, text: str) -> None:
        """Print a command."""
        click.echo(click.style(f"\n  $ {text}", fg="cyan"))
        self._pause(LOOKING_SECONDS)

    def show_output(self, *lines: str) -> None:
        """Print the output of a command, with long lines broken."""
        for line in lines:
            click.echo(
                textwrap.fill(
                    line,
                    WIDTH,
                    initial_indent="  ",
                    subsequent_indent=" " * 10,
                    break_on_hyphens=False,
                )
            )
        self._pause(LOOKING_SECONDS)

    def show_result(self, part: str = "result", **facts: object) -> None:
        """Print the conclusion of a step."""
        click.echo()
        self.say(f"{self._name}.{part}", **facts)

    def show_countdown(self, seconds: float) -> None:
        """Print the remaining seconds: on a terminal in one changing line, else once."""
        terminal, remaining = sys.stderr.isatty(), int(seconds)
        if remaining == self._countdown or (self._countdown is not None and not terminal):
            return
        self._countdown = remaining
        start = f"{CLEAR_LINE}  " if terminal else "  "
        click.echo(start + self.sentence("left", seconds=remaining), err=True, nl=not terminal)

    def clear_countdown(self) -> None:
        """Remove the line of the countdown."""
        if self._countdown is not None and sys.stderr.isatty():
            click.echo(CLEAR_LINE, err=True, nl=False)
        self._countdown = None

    def end(self) -> None:
        """Print what a reader can do next."""
        click.echo()
        self.say("ends")

    def _pause(self, seconds: float) -> None:
        sys.stdout.flush()
        pause(0 if self._fast else seconds)
