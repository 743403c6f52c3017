"""Every action has its step, and every event its fold: a failure names the forgotten file."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any, get_args, get_type_hints

import pytest

from assessment.core import facts
from escalation.core import case as escalation_case
from events.catalogue import ACTIONS, PARKING, Action
from events.registry import CATALOGUE
from routing.core import case as routing_case
from routing.core import steps

PARKING_EVENTS = {PARKING.parked, PARKING.deferred, PARKING.retried}


def events_of(*logs: str) -> set[type[Any]]:
    """The events that a log carries, reference data aside."""
    return {
        each.cls for each in CATALOGUE.values() if not each.reference and set(logs) & set(each.logs)
    }


def members(union: Any) -> set[type[Any]]:
    return set(get_args(union)) or {union}


def actions_with_a_step() -> set[type[Any]]:
    """The actions that the files in `steps/` decide, as the first annotation of `decide` says."""
    decided: set[type[Any]] = set()
    for module in pkgutil.iter_modules(steps.__path__, f"{steps.__name__}."):
        decide = getattr(import_module(module.name), "decide", None)
        hint = next(iter(get_type_hints(decide).values())) if decide else None
        if hint != Action:  # `defer` takes all of them.
            decided |= members(hint)
    return decided & ACTIONS


def test_every_action_has_a_step() -> None:
    forgotten = {action.__name__ for action in ACTIONS - actions_with_a_step()}
    assert not forgotten, f"services/routing/core/steps has no file that decides {forgotten}"


def test_routing_folds_every_event_of_cases() -> None:
    folded = members(routing_case.Outcome) | PARKING_EVENTS
    forgotten = events_of("cases") - folded
    assert not forgotten, f"services/routing/core/case.py: Outcome lacks {forgotten}"


def test_escalation_folds_every_event_of_calls() -> None:
    folded = members(escalation_case.Outcome) | PARKING_EVENTS
    forgotten = events_of("calls") - folded
    assert not forgotten, f"services/escalation/core/case.py: Outcome lacks {forgotten}"


CLASSIFIED = [
    pytest.param(
        "services/escalation/core/case.py",
        ("Relevant", escalation_case.Relevant),
        ("Irrelevant", escalation_case.Irrelevant),
        events_of("cases"),
        id="escalation",
    ),
    pytest.param(
        "services/assessment/core/facts.py",
        ("Counted", facts.Counted),
        ("Uncounted", facts.Uncounted),
        {each.cls for each in CATALOGUE.values() if {"cases", "calls"} & set(each.logs)},
        id="assessment",
    ),
]


@pytest.mark.parametrize(("file", "one", "other", "events"), CLASSIFIED)
def test_a_later_stage_says_of_every_event_if_it_matters(
    file: str, one: tuple[str, Any], other: tuple[str, Any], events: set[type[Any]]
) -> None:
    (name, matters), (other_name, does_not) = one, other
    forgotten = events - members(matters) - members(does_not)
    assert not forgotten, f"{file}: neither {name} nor {other_name} has {forgotten}"
    assert not members(matters) & members(does_not)
