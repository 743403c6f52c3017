"""docs/mission.md lists every rule of the mission and names only what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import events.catalogue  # noqa: F401  # Fills the registry.
from events.registry import TYPE_OF
from gridcall.cli.main import main
from intake.openapi import posted_paths

ROOT = Path(__file__).parents[2]
RULES = 56
NAME = re.compile(r"`([^`]+)`")
STATES = ("whole", "partly: ", "later")


class Rule(NamedTuple):
    """A row of the page."""

    number: int
    sentence: str
    state: str
    events: str
    api: str
    tests: str


def read_rules() -> list[Rule]:
    """Return the rows of the page, in their order."""
    lines = (ROOT / "docs/mission.md").read_text().splitlines()
    cells = [re.split(r" ?\| ?", line)[1:-1] for line in lines if re.match(r"\| \d+ \|", line)]
    return [Rule(int(number), *rest) for number, *rest in cells]


RULES_OF_THE_PAGE = read_rules()
EACH_RULE = pytest.mark.parametrize("rule", RULES_OF_THE_PAGE, ids=lambda rule: str(rule.number))


def modules(*folders: str) -> Iterator[ast.Module]:
    """Yield the parsed modules below some folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text())


def route_of(node: ast.AST) -> str | None:
    """Return `GET /path` for the decorator of a route."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="get" | "post" as method),
            args=[ast.Constant(value=str(path)), *_],
        ) if path.startswith("/"):
            return f"{method.upper()} {path.replace(':path', '')}"
    return None


POSTED = {
    f"{method.upper()} {path}" for path, methods in posted_paths().items() for method in methods
}
ROUTES = POSTED | {
    route
    for module in modules("services", "libs", "gridcall")
    for node in ast.walk(module)
    if (route := route_of(node))
}
TESTS = {
    node.name
    for module in modules("tests")
    for node in ast.walk(module)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
}
EVENTS = {cls.__name__ for cls in TYPE_OF}
COMMANDS = set(main.list_commands(click.Context(main)))


def test_every_rule_has_its_row_in_order() -> None:
    assert [rule.number for rule in RULES_OF_THE_PAGE] == list(range(1, RULES + 1))


@EACH_RULE
def test_a_rule_says_how_far_it_works(rule: Rule) -> None:
    assert rule.state.startswith(STATES)
    assert rule.sentence.endswith(".")


@EACH_RULE
def test_a_rule_that_works_names_a_test_and_a_later_one_names_none(rule: Rule) -> None:
    assert bool(NAME.findall(rule.tests)) == (not rule.state.startswith("later"))


@EACH_RULE
def test_every_named_test_exists(rule: Rule) -> None:
    assert set(NAME.findall(rule.tests)) <= TESTS


@EACH_RULE
def test_every_named_event_exists(rule: Rule) -> None:
    assert set(NAME.findall(rule.events)) <= EVENTS


@EACH_RULE
def test_every_named_route_and_command_exists(rule: Rule) -> None:
    named = set(NAME.findall(rule.api))
    commands = {name for name in named if name.startswith("gridcall ")}
    assert named - commands <= ROUTES
    assert {name.removeprefix("gridcall ") for name in commands} <= COMMANDS


def test_the_glossary_has_at_most_25_terms_of_our_own() -> None:
    rows = (ROOT / "docs/glossary.md").read_text().split("|---|---|---|\n")[1].splitlines()
    terms = [row.split("|")[1].strip() for row in rows]
    assert len(terms) <= 25
    assert len(set(terms)) == len(terms)
