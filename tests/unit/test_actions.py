"""Actions follow from their events: a file in services/intake/actions/ is all that one needs."""

from __future__ import annotations

import json
from dataclasses import make_dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

import intake.actions
from events import texts
from events.instants import Instant, instant_of
from events.registry import value
from events.texts import Code, Word
from httpedge.problems import Problem
from intake.action import Action
from intake.actions import ACTIONS
from intake.parsing.action import parse_action
from intake.parsing.errors import PATTERNS
from intake.parsing.parser import Parser

HEAD = {"reference": "J-1", "issue": {"line": "hotline", "reference": "R-1"}}


@value(kw_only=True)
class Duty:
    """An entry of a plan."""

    owner: Code
    due: Instant
    day: date | None = None


@value(kw_only=True)
class JointSessionConvened:
    """Several departments meet about a matter."""

    action: str
    issue: str
    by: Code
    reason: Word | None
    mode: Literal["online", "on_site"]
    plan: tuple[Duty, ...]
    source: str = ""


CONVENED = Action(JointSessionConvened, by="o:01", mode="online", plan=[])
PARSER: Parser[Any] = Parser("action", CONVENED.model, CONVENED.model)
POSTED = {
    **HEAD,
    "type": "joint_session_convened",
    "by": "o:01",
    "mode": "on_site",
    "plan": [{"owner": "street:1", "due": "2026-03-01T08:00:00+08:00", "day": "2026-03-02"}],
}


def errors(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return pointer and sentence of each error."""
    with pytest.raises(Problem) as raised:
        PARSER.parse(json.dumps(item).encode())
    return [(error.pointer, error.detail) for error in raised.value.errors]


@pytest.mark.parametrize("name", ACTIONS)
def test_the_example_of_each_action_is_what_it_takes(name: str) -> None:
    (example,) = ACTIONS[name].model.model_json_schema()["examples"]
    event = parse_action(json.dumps(example).encode()).to_event("370112", "app")
    assert type(event) is ACTIONS[name].event


def test_each_action_has_a_file_of_its_name() -> None:
    folder = Path(intake.actions.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *ACTIONS}


def test_an_action_with_a_plan_of_owners_and_dates_needs_only_its_event() -> None:
    event = PARSER.parse(json.dumps(POSTED).encode()).to_event("370112", "app")
    assert isinstance(event, JointSessionConvened)
    duty = Duty(owner="street:1", due=instant_of("2026-03-01T08:00:00+08:00"), day=date(2026, 3, 2))
    assert (event.mode, event.reason, event.plan) == ("on_site", None, (duty,))


@pytest.mark.parametrize(
    ("plan", "pointer", "detail"),
    [
        ({}, "/plan", "must be a list"),
        ([1], "/plan/0", "must be an object"),
        ([{"owner": "o"}], "/plan/0/due", "is missing: add it"),
        (
            [{"owner": "o" * 65, "due": "2026-03-01T08:00:00Z"}],
            "/plan/0/owner",
            "may have 64 characters: shorten it",
        ),
        (
            [{"owner": "o", "due": "2026-03-01T08:00:00Z", "day": "1 March"}],
            "/plan/0/day",
            "must be a date, for example 2026-03-01",
        ),
        (
            [{"owner": "o", "due": "2026-03-01T08:00:00Z", "owners": 1}],
            "/plan/0/owners",
            "unknown field; did you mean `owner`?",
        ),
        (
            [{"owner": "o", "due": "2026-03-01T08:00:00Z"}] * 101,
            "/plan",
            "may have 100 elements: leave some out",
        ),
    ],
)
def test_what_is_wrong_within_a_plan_is_said_where_it_is(
    plan: Any, pointer: str, detail: str
) -> None:
    assert errors({**POSTED, "plan": plan}) == [(pointer, detail)]


def test_each_pattern_of_a_text_in_events_has_a_sentence_for_the_sender() -> None:
    limits = [limit for kind in vars(texts).values() for limit in getattr(kind, "__metadata__", ())]
    patterns = {limit.pattern for limit in limits if isinstance(limit, texts.Matching)}
    assert patterns <= PATTERNS.keys(), "add a sentence to services/intake/parsing/errors.py"


@pytest.mark.parametrize("kind", [str, int, dict[str, str]])
def test_a_field_without_a_limit_is_no_field_of_an_action(kind: Any) -> None:
    unlimited = make_dataclass("Unlimited", [("action", str), ("issue", str), ("note", kind)])
    with pytest.raises(TypeError, match=r"Unlimited.note: .* sets no limit"):
        Action(unlimited)
