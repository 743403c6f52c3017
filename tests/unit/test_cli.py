"""The commands: each is found by its name and explains itself with an example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import gridcall.cli
from events.texts import UNSEEN_CHARACTER
from gridcall.cli import terminal
from gridcall.cli.main import MODULE, main


def leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that is no group."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


def test_main_knows_every_module_that_declares_commands() -> None:
    modules = {
        path.stem
        for path in Path(gridcall.cli.__path__[0]).glob("*.py")
        if "\nCOMMANDS = " in path.read_text(encoding="utf-8")
    }
    assert modules == set(MODULE.values()), "add the command to MODULE in gridcall/cli/main.py"


@pytest.mark.parametrize("module", sorted(set(MODULE.values())))
def test_a_module_declares_exactly_the_commands_that_are_looked_up_in_it(module: str) -> None:
    declared = import_module(f"gridcall.cli.{module}").COMMANDS
    assert set(declared) == {name for name, home in MODULE.items() if home == module}


def test_every_command_helps_with_an_example() -> None:
    for words in leaves(main, ()):
        command: click.Command = main
        context = click.Context(command, info_name="gridcall")
        for word in words:
            assert isinstance(command, click.Group)
            child = command.get_command(context, word)
            assert child is not None
            command, context = child, click.Context(child, parent=context, info_name=word)
        assert f"Example:     gridcall {' '.join(words)}" in command.get_help(context)


def test_what_is_written_cannot_command_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    foreign = "a\x1b[2J\u202e\nb"
    terminal.emit(f"{foreign}\n".encode())
    terminal.say(foreign)
    terminal.emit(terminal.frame("t", {"a": "[bold]\x1b[1m"}))
    terminal.print_rows([{"code": foreign}], json_output=False, empty="")
    terminal.print_rows([{"code": foreign}], json_output=True, empty="")
    shown = capfdbinary.readouterr().out.decode()
    assert UNSEEN_CHARACTER.findall(shown.replace("\n", "")) == []
    assert shown.count("a\\u001b[2J\\u202e\nb\n") == 2
    assert "[bold]\\u001b[1m" in shown
    assert "a\\u001b[2J\\u202e\\nb\n" in shown  # A row is a line.
    assert json.loads(shown[shown.rindex("[\n") :]) == [{"code": foreign}]
