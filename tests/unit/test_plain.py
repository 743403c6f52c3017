"""Values as plain data, for actions that wait inside an event."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from events import catalogue as e
from events.plain import from_plain, to_plain
from events.registry import value
from events.stored_inputs import event_of, store


@value(kw_only=True)
class Duty:
    owner: str
    day: date | None


@value(kw_only=True)
class Session:
    reason: str | None
    chair: Duty | None
    plan: tuple[Duty, ...]
    rules: tuple[str, ...] = ()


DUTY = Duty(owner="street:1", day=date(2026, 3, 1))
ANY_OTHER = Duty(owner="o:02", day=None)


@pytest.mark.parametrize(
    "session",
    [
        Session(reason="flood", chair=DUTY, plan=(DUTY, ANY_OTHER), rules=("gap_time",)),
        Session(reason=None, chair=None, plan=()),
    ],
)
def test_a_value_with_values_in_it_survives_json(session: Session) -> None:
    assert from_plain(Session, json.loads(json.dumps(to_plain(session)))) == session


def test_plain_data_are_the_same_before_and_after_json() -> None:
    plain = to_plain(Session(reason=None, chair=DUTY, plan=(DUTY,)))
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("outcome", ["closed", "withdrawn"])
def test_an_action_survives_waiting(outcome: Any) -> None:
    action = e.EndedAtSource(action="a", issue="c", outcome=outcome, rules=("gap_time",))
    assert event_of(store("intake/city/1", 7, action)) == action
