"""`gridcall demo`: a walk-through in the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from events.errors import GridcallError
from gridcall.cli.terminal import INTERRUPTED, REJECTED, fail
from gridcall.demo.presenter import Language, Presenter
from gridcall.demo.sandbox import StepFailed
from gridcall.demo.signals import defer_signals, is_interrupted
from gridcall.demo.walkthrough.run import HURRY_SPEED, WAITING_SPEED, present


@click.command("demo")
@click.option("--fast", is_flag=True, help="No pauses for reading.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="The language.  [default: from LANG]")
def demo_command(fast: bool, lang: Language | None) -> None:
    """Show in three minutes one issue from its post to the sheet. Every step is run and checked.

    It has a folder, a database and a port of its own, disturbs nothing, and leaves nothing behind.

    \b
    Exit status: 0 every step showed what it should · 1 one did not · 130 interrupted
    Example:     gridcall demo --lang zh
    """
    defer_signals()
    presenter = Presenter(lang or language_of(os.environ), fast)
    try:
        present(presenter, HURRY_SPEED if fast else WAITING_SPEED)
    except (GridcallError, KeyboardInterrupt) as fault:
        if (
            is_interrupted()
        ):  # Ctrl-C also reaches child processes, so a step may fail because of it.
            fail(
                INTERRUPTED,
                "interrupted; everything the demo had made is deleted. To repeat: gridcall demo",
            )
        if not isinstance(fault, StepFailed):
            raise
        fail(
            REJECTED,
            f"step {presenter.step} did not show what it should: {fault}. "
            "Run it again; if it fails again, please report all of this",
        )


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language of a terminal's locale: Chinese, else English."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"


COMMANDS = {"demo": demo_command}
