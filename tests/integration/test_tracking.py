"""Tracking over HTTP: every input learns its own outcome, and the present stage of its case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from intake.core.identity import issue_id
from tests.harness.commands import read_output, read_verification
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute

WAIT = {"prefer": "wait=10"}
DUE = "2030-01-01T00:00:00Z"
PAST = "2020-01-01T00:00:00Z"
NOT_VERIFIED = "This case is not verified: it cannot be closed."
PEOPLE = ("w:jane", "s:otto")
REMARK = "jane_was_rude"


class City:
    """A running gridcall, with names for new issues and actions."""

    def __init__(self, process: Process, key: str) -> None:
        self.process = process
        self.key = key
        self.numbers = count(1)
        self.api: httpx.Client

    def new_name(self) -> str:
        return f"R-{next(self.numbers)}"

    def key_of(self, source: str, *lines: str) -> str:
        """Return a new key."""
        options = (word for line in lines for word in ("--line", line))
        district = ("--district", "exampleville", "--source", source)
        return read_output(self.process.database, "key", "add", *district, *options).strip()

    def report(self, name: str, **more: Any) -> dict[str, Any]:
        """Report an issue of the hotline; return the answer, which has its outcome."""
        return self.answer("/issues/hotline", issue(name, **more))

    def act(self, name: str, kind: str, **own: Any) -> dict[str, Any]:
        """Post an action about an issue; return the answer, which has its outcome."""
        return self.answer("/actions", self.action(name, kind, **own))

    def action(self, name: str, kind: str, **own: Any) -> dict[str, Any]:
        named = {"issue": {"line": "hotline", "reference": name}}
        return {"reference": self.new_name(), "type": kind, **named, **own}

    def answer(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.api.post(path, json=body, headers=WAIT)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def track(self, tracking: str) -> dict[str, Any]:
        """Return what everybody learns by a tracking code, without a key."""
        answer = httpx.get(f"{self.process.url}/track/{tracking}", headers=WAIT, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.headers["preference-applied"] == "wait=10"
        return dict(answer.json())

    def case_of(self, posted: dict[str, Any]) -> dict[str, Any]:
        return dict(self.track(posted["tracking"])["case"])

    def close(self, name: str) -> dict[str, Any]:
        """Let a case be visited, resolved, verified and closed; return the last answer."""
        jane, otto = PEOPLE
        self.act(name, "visit_made", by=jane)
        self.act(name, "resolution_claimed", by=jane, root_cause=REMARK)
        self.act(name, "resolution_checked", by=otto, holds=True)
        return self.act(name, "closing_asked", by=jane)


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[City]:
    asyncio.run(execute(postgres, "CREATE DATABASE tracking TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/tracking?")
    key = adopt_exampleville(url)
    city = City(Process(url), key)
    yield city
    assert city.process.end() == 0
    assert "rows are equal" in read_verification(url)


@pytest.fixture
def city(live: City) -> Iterator[City]:
    with client(live.process.url, live.key) as live.api:
        yield live


def types(outcome: dict[str, Any]) -> list[str]:
    return [event["type"].split(".")[1] for event in outcome["events"]]


# ── The outcome ──────────────────────────────────────────────────────────────────────────────────


def test_an_action_that_waited_and_its_report_learn_each_its_own_outcome(city: City) -> None:
    name = city.new_name()
    closing = city.action(name, "closing_asked", by="w:jane")
    waits = city.answer("/actions", closing)
    assert (waits["outcome"]["declined"], types(waits["outcome"])) == (False, ["action-waits"])
    tracked = city.track(waits["tracking"])
    assert (tracked["type"], tracked["case"]) == ("closing_asked", None)
    report = city.report(name)
    assert report["outcome"]["declined"] is False
    assert types(report["outcome"]) == ["case-reported", "case-routed"]
    again = city.answer("/actions", closing)
    assert (again["outcome"]["declined"], again["outcome"]["because"]) == (True, NOT_VERIFIED)
    for posted in (report, again):
        assert city.track(posted["tracking"])["outcome"] == posted["outcome"]
    assert city.api.get(f"/issues/hotline/{name}").json()["outcome"] == report["outcome"]


def test_actions_of_one_source_wait_up_to_a_limit_and_those_of_another_still_do(city: City) -> None:
    name = city.new_name()
    visits = [city.action(name, "visit_made", by="w:jane") for _ in range(40)]
    results = city.api.post("/actions", json=visits).json()["results"]
    outcomes = [city.track(each["tracking"])["outcome"] for each in results[31:33]]
    assert [types(outcome) for outcome in outcomes] == [["action-waits"], ["input-declined"]]
    assert "report it first" in outcomes[1]["because"]
    named = {"id": issue_id("exampleville", "test", "hotline", name)}
    visit = {"reference": "a-1", "type": "visit_made", "by": "w:1", "issue": named}
    with client(city.process.url, city.key_of("app", "grid")) as app:
        answer = app.post("/actions", json=visit, headers=WAIT).json()
    assert types(answer["outcome"]) == ["action-waits"]
    city.report(name)
    first, second, last = (city.track(results[i]["tracking"])["outcome"] for i in (0, 1, 31))
    assert (types(first), types(second), types(last)) == (
        ["case-visited"],
        ["input-declined"],
        ["input-declined"],
    )
    assert second["because"] == last["because"] == "This case was visited already."
    assert second["events"] != last["events"]


# ── The present stage ────────────────────────────────────────────────────────────────────────────


def test_the_present_stage_is_shown_in_both_languages_at_each_step(city: City) -> None:
    name = city.new_name()
    report = city.report(name)
    stages = [city.case_of(report)]
    for kind, own in (
        ("visit_made", {"by": "w:jane"}),
        ("resolution_claimed", {"by": "w:jane", "root_cause": REMARK}),
        ("resolution_checked", {"by": "s:otto", "holds": False}),
        ("issue_withdrawn", {"because": REMARK}),
    ):
        posted = city.act(name, kind, **own)
        of_action = city.track(posted["tracking"])
        assert (of_action["type"], of_action["outcome"]) == (kind, posted["outcome"])
        assert of_action["case"]["changed"] == posted["time"]
        stages.append(of_action["case"])
    assert stages[-1] | {"as_of": ""} == city.case_of(report) | {"as_of": ""}
    names = [case["stage"] for case in stages]
    assert names == ["assigned", "visited", "resolved", "visited", "withdrawn"]
    assert "not solved yet" in stages[3]["words"]["en"]
    assert all(case["words"]["zh"].endswith("。") for case in stages)
    by_reference = city.api.get(f"/issues/hotline/{name}").json()
    assert by_reference["case"]["stage"] == "withdrawn"


def test_tracking_shows_no_person_no_remark_and_no_other_issue(city: City) -> None:
    name, other = city.new_name(), city.new_name()
    report, beside = city.report(name), city.report(other)
    closed = city.close(name)
    texts = [json.dumps(city.track(each["tracking"])) for each in (report, closed)]
    texts.append(city.api.get(f"/issues/hotline/{name}").text)
    secrets = (*PEOPLE, REMARK, other, beside["id"], beside["tracking"])
    assert not [word for word in secrets for text in texts if word in text]


def test_the_deadline_is_shown_and_if_it_has_passed(city: City) -> None:
    in_time, late = city.report(city.new_name()), city.report(city.new_name(), due=PAST)
    assert (city.case_of(in_time)["due"], city.case_of(in_time)["overdue"]) == (DUE, False)
    assert (city.case_of(late)["due"], city.case_of(late)["overdue"]) == (PAST, True)


def test_a_case_that_reopens_keeps_the_promise_of_its_line(city: City) -> None:
    name = city.new_name()
    city.report(name)
    city.close(name)
    reopened = city.act(name, "reopening_asked", because="unsatisfied")
    case = city.case_of(reopened)
    assert (case["stage"], case["due"], case["overdue"]) == ("reopened", DUE, False)
    assert "not satisfied" in case["words"]["en"]


def test_a_case_that_reopens_after_its_promise_says_that_it_has_no_deadline(city: City) -> None:
    name = city.new_name()
    city.report(name, due=PAST)
    city.close(name)
    reopened = city.act(name, "reopening_asked", because="recurrence")
    case = city.case_of(reopened)
    assert (case["stage"], case["due"], case["overdue"]) == ("reopened", None, False)
    calls = city.api.get("/escalation/log/exampleville").text
    assert "gridcall.reopened-without-deadline.v1" in calls


def test_an_answer_says_as_of_when_it_is_true(city: City) -> None:
    report = city.report(city.new_name())
    tracked = city.track(report["tracking"])
    assert tracked["time"] < tracked["case"]["as_of"], "the client waited for that"


def test_without_a_screen_the_stage_is_unknown_and_the_outcome_is_shown(
    city: City, database: str
) -> None:
    key = adopt_exampleville(database)
    alone = City(
        Process(database, "--service", "intake", "--service", "routing", "--service", "escalation"),
        key,
    )
    with client(alone.process.url, key) as alone.api:
        tracked = alone.track(alone.report("R-1")["tracking"])
    assert tracked["outcome"]["declined"] is False
    assert (tracked["case"]["stage"], tracked["case"]["as_of"]) == ("unknown", None)
    assert "later" in tracked["case"]["words"]["en"]
    assert alone.process.end() == 0


# ── A reference that is known with other content ─────────────────────────────────────────────────


def test_a_conflict_names_what_exists_and_what_differs_but_not_what_it_was(city: City) -> None:
    name = city.new_name()
    first = city.report(name, category="Rats")
    answer = city.api.post("/issues/hotline", json=issue(name, due=None, place={"grid": "0102"}))
    problem = answer.json()
    assert answer.status_code == 409
    assert problem["existing"] == {
        "reference": name,
        **{field: first[field] for field in ("id", "tracking", "position", "time")},
    }
    assert {error["pointer"] for error in problem["errors"]} == {"/category", "/place", "/due"}
    assert "Rats" not in answer.text
    assert first["time"] in problem["detail"]
    assert "correction" in problem["detail"]


def test_each_conflict_of_an_array_says_what_exists(city: City) -> None:
    names = [city.new_name(), city.new_name()]
    first = [city.report(name) for name in names]
    changed = [issue(name, category="Rats") for name in names]
    results = city.api.post("/issues/hotline", json=changed).json()["results"]
    assert [each["existing"]["tracking"] for each in results] == [
        each["tracking"] for each in first
    ]
    twice = city.new_name()
    both = [issue(twice), issue(twice, category="Rats")]
    one, other = city.api.post("/issues/hotline", json=both).json()["results"]
    assert other["existing"]["tracking"] == one["tracking"]


def test_an_action_of_another_type_is_a_conflict_that_says_so(city: City) -> None:
    name = city.new_name()
    city.report(name)
    visit = city.action(name, "visit_made", by="w:jane")
    city.answer("/actions", visit)
    answer = city.api.post("/actions", json={**visit, "type": "closing_asked", "by": "w:joe"})
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert (answer.status_code, pointers) == (409, {"/type", "/by"})
    assert "jane" not in answer.text


def test_a_conflict_tells_nothing_to_a_key_of_another_line(city: City) -> None:
    """Two keys of one source share the references of their actions."""
    petition, grid = (city.key_of("shared", line) for line in ("petition", "grid"))
    with client(city.process.url, petition) as one, client(city.process.url, grid) as other:
        one.post("/issues/petition", json=issue("P-1"), headers=WAIT)
        other.post("/issues/grid", json=issue("G-1"), headers=WAIT)
        action = {"reference": "x-1", "type": "visit_made", "by": "w:jane"}
        about_petition = {**action, "issue": {"line": "petition", "reference": "P-1"}}
        about_grid = {**action, "issue": {"line": "grid", "reference": "G-1"}}
        tracking = one.post("/actions", json=about_petition).json()["tracking"]
        refused = other.post("/actions", json=about_grid)
        assert refused.status_code == 409
        assert "existing" not in refused.json()
        assert "errors" not in refused.json()
        assert tracking not in refused.text
        own = one.post("/actions", json={**about_petition, "by": "w:joe"}).json()
        assert own["existing"]["tracking"] == tracking
