"""How `gridcall demo` is told: sentences (`sentences.json`), what was typed, what came back, and time to read it."""

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
READING: dict[Language, float] = {"en": 0.033, "zh": 0.075}  # Seconds for a character.
LOOKING_SECONDS = 0.8

SENTENCES: dict[str, dict[Language, str]] = json.loads(
    files(__package__).joinpath("sentences.json").read_text(encoding="utf-8")
)


class Presenter:
    """Tells on stdout; the seconds that are left run on stderr, where that is a terminal."""

    def __init__(self, lang: Language, fast: bool) -> None:
        self.lang = lang
        self.step = 0
        self._fast = fast
        self._name = ""
        self._left: int | None = None
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(
                errors="replace"
            )  # A terminal that has no Chinese is shown question marks.

    def sentence(self, name: str, **facts: object) -> str:
        return SENTENCES[name][self.lang].format(**facts)

    def say(self, name: str, **facts: object) -> None:
        """A sentence, and the time to read it."""
        text = self.sentence(name, **facts)
        for line in text.splitlines():
            click.echo(textwrap.fill(line, WIDTH) if self.lang == "en" else line)
        self._pause(len(text) * READING[self.lang])

    def begin(self, name: str) -> None:
        """The heading of the next step, and why it is taken."""
        self.step, self._name = self.step + 1, name
        heading = f"{self.step}  {self.sentence(name)}"
        click.echo(f"\n{click.style(heading, bold=True)}\n")
        self.say(f"{name}.why")

    def command(self, text: str) -> None:
        """What is typed."""
        click.echo(click.style(f"\n  $ {text}", fg="cyan"))
        self._pause(LOOKING_SECONDS)

    def output(self, *lines: str) -> None:
        """What came back, broken where it is too wide."""
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

    def result(self, part: str = "result", **facts: object) -> None:
        """What that shows."""
        click.echo()
        self.say(f"{self._name}.{part}", **facts)

    def waits(self, seconds: float) -> None:
        """How long it will be; on a terminal, in one line that changes. Elsewhere once."""
        terminal, left = sys.stderr.isatty(), int(seconds)
        if left == self._left or (self._left is not None and not terminal):
            return
        self._left = left
        click.echo(
            ("\r\x1b[2K  " if terminal else "  ") + self.sentence("left", seconds=left),
            err=True,
            nl=not terminal,
        )

    def waited(self) -> None:
        """The line that changed goes."""
        if self._left is not None and sys.stderr.isatty():
            click.echo("\r\x1b[2K", err=True, nl=False)
        self._left = None

    def end(self) -> None:
        """What to do next."""
        click.echo()
        self.say("ends")

    def _pause(self, seconds: float) -> None:
        sys.stdout.flush()
        pause(0 if self._fast else seconds)
