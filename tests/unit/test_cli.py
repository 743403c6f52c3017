"""The commands: each is found by its name and explains itself with an example."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import gridcall.cli
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
