"""Nothing of a new event, action or service is forgotten. Each failure names the file to edit."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

import assessment.stage
import escalation.stage
import intake.actions
import routing.stage
import tools.checker
from casebook.case import Unchanging
from events import catalogue as e
from events.registry import CATALOGUE, TYPE_OF, EventType, newest_types
from events.topology import DECIDER_VERSIONS, SERVICES, Service
from tests.harness.paths import GOLDEN, ROOT
from tools.checker.cases import OUTCOMES

IMPORTED = {e.EndedAtSource}  # An action that comes from records of a source, never from a person.
STAGE_LOGS = {"cases", "calls"}
EVENTS = list(CATALOGUE.values())
NEWEST = newest_types()  # An earlier version is read and folded as its newest one.
IN_STAGES = [kind for kind in NEWEST if STAGE_LOGS & set(kind.logs)]
INPUTS = [kind for kind in NEWEST if "intake" in kind.logs]
ACTIONS = sorted(e.ACTIONS, key=list(TYPE_OF).index)
PARTS = ("__init__.py", "__main__.py", "app.py", "settings.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def chapter(kind: EventType) -> str:
    """Return the file that declares an event."""
    return f"libs/{kind.cls.__module__.replace('.', '/')}.py"


@cache
def words_of(path: Path) -> frozenset[str]:
    """Return the names and the texts in a module, without those that are only imported."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {
        node.id if isinstance(node, ast.Name) else getattr(node, "value", "") for node in nodes
    }
    return frozenset(name for name in names if isinstance(name, str))


def words_in(folder: Path) -> frozenset[str]:
    return frozenset().union(*(words_of(path) for path in folder.rglob("*.py")))


def events_matched_in(folder: Path) -> set[str]:
    """Return the names of the events that a match statement of a folder names."""
    nodes = (
        node
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    return {ast.unparse(node.cls) for node in nodes if isinstance(node, ast.MatchClass)}


def snake(cls: type[Any]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@pytest.fixture(params=EVENTS, ids=lambda kind: kind.name)
def event(request: pytest.FixtureRequest) -> EventType:
    kind: EventType = request.param
    return kind


@pytest.fixture(params=ACTIONS, ids=lambda cls: cls.__name__)
def action(request: pytest.FixtureRequest) -> type[Any]:
    cls: type[Any] = request.param
    return cls


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    each: Service = request.param
    return each


# ── An event ─────────────────────────────────────────────────────────────────────────────────────


def test_an_event_has_a_golden_line(event: EventType) -> None:
    types = {json.loads(line)["type"] for line in GOLDEN.read_bytes().splitlines()}
    assert event.name in types, f"{name_of(GOLDEN)} lacks a line of {event.name}: make golden"


def test_an_event_has_words_in_both_languages(event: EventType) -> None:
    assert all(event.words), f"{chapter(event)}: {event.cls.__name__} lacks words"


def test_an_event_is_described(event: EventType) -> None:
    text = event.cls.__doc__ or ""
    is_described = text and not text.startswith(f"{event.cls.__name__}(")
    assert is_described, f"{chapter(event)}: {event.cls.__name__} lacks a docstring"


@pytest.mark.parametrize("kind", NEWEST, ids=lambda kind: kind.short)
def test_an_event_is_in_the_union_of_its_chapter(kind: EventType) -> None:
    lacking = f"{chapter(kind)}: the union at its end lacks {kind.cls.__name__}"
    assert kind.cls in get_args(e.Event), lacking


@pytest.mark.parametrize("document", ["docs/events.md", "docs/asyncapi.json"])
def test_an_event_is_documented(event: EventType, document: str) -> None:
    assert event.name in (ROOT / document).read_text(), f"{document} lacks {event.name}: make docs"


@pytest.mark.parametrize("kind", IN_STAGES, ids=lambda kind: kind.short)
def test_an_event_is_folded_by_the_casebook(kind: EventType) -> None:
    matched = events_matched_in(ROOT / "libs" / "casebook")
    is_folded = kind.cls.__name__ in matched or kind.cls in get_args(Unchanging)
    assert is_folded, f"libs/casebook/case.py does not match {kind.cls.__name__}"


@pytest.mark.parametrize("kind", IN_STAGES, ids=lambda kind: kind.short)
def test_an_event_is_known_to_the_checker(kind: EventType) -> None:
    folder = Path(tools.checker.__file__).parent
    file = "cases.py" if "cases" in kind.logs else "calls.py"
    assert kind.short in words_in(folder), f"tools/checker/{file} does not know {kind.short}"


# ── An input ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", INPUTS, ids=lambda kind: kind.short)
def test_an_input_has_outcomes_in_the_checker(kind: EventType) -> None:
    assert kind.short in OUTCOMES, f"tools/checker/cases.py: OUTCOMES lacks {kind.short}"


def test_an_action_can_be_posted(action: type[Any]) -> None:
    if action in IMPORTED:
        return
    events = {each.event for each in intake.actions.ACTIONS.values()}
    assert action in events, f"services/intake/actions/{snake(action)}.py is missing"


def test_an_action_has_its_source(action: type[Any]) -> None:
    """Routing limits by it how many actions wait for a report."""
    has_source = "source" in action.__dataclass_fields__
    assert has_source == (action not in IMPORTED), f"{action.__name__} lacks a source"


def test_an_action_has_a_step(action: type[Any]) -> None:
    core = ROOT / "services" / "routing" / "core"
    name = action.__name__
    assert name in words_of(core / "decider.py"), f"{name_of(core)}/decider.py lacks {name}"
    files = [path for path in (core / "steps").glob("*.py") if name in words_of(path)]
    assert files, f"{name_of(core)}/steps has no file that decides {name}"


# ── A version of the deciders ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "stages", [routing.stage, escalation.stage, assessment.stage], ids=lambda each: each.__name__
)
def test_a_stage_has_a_decider_of_every_version_in_their_order(stages: Any) -> None:
    path = f"services/{stages.__name__.replace('.', '/')}.py"
    assert tuple(stages.DECIDERS) == DECIDER_VERSIONS, f"{path}: DECIDERS"


# ── A service ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", PARTS)
def test_a_service_has_its_files(service: Service, part: str) -> None:
    path = ROOT / "services" / service.name / part
    assert path.exists(), f"{name_of(path)} is missing"


def test_a_service_that_writes_a_log_has_migrations_and_a_summary(service: Service) -> None:
    if service.log is None:
        return
    folder = ROOT / "services" / service.name / "migrations"
    assert list(folder.glob("r0001_*.py")), f"{name_of(folder)}/r0001_….py is missing"
    assert service.summary, f"libs/events/topology.py: {service.name} lacks a summary"


def test_a_service_is_packed_and_held_to_the_import_contracts(service: Service) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packages = project["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert f"services/{service.name}" in packages, "pyproject.toml: packages"
    assert service.name in project["importlinter"]["root_packages"], "pyproject.toml: root_packages"
