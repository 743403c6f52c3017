"""Decider versions: a log with two of them, an owner that lacks one, and rows of a newer build."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from casebook import Case, evolve_case
from escalation.core.decider import Escalation
from eventlog.codec import entry, row_of
from eventlog.core.decider import REFERENCE, Key, Timer
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.core.versions import readable
from eventlog.runner import PART, Runner
from events import catalogue as e
from events.errors import Halted
from events.registry import UnknownEvent
from events.topology import DECIDER_VERSION
from gridcall.pipeline import pipeline
from tests.harness.city import CONTENTS, IN_0101, MAP_ADOPTED, POLICIES_SENT, ROSTER_SENT
from tests.harness.versions import (
    BEFORE,
    BY_POST,
    CaseVisitedV1,
    RoutingBefore,
    VisitMadeV1,
    adoption_of,
    have_decider_before,
    have_two_deciders,
    two_versions_of_visits,
)

S = 1_000_000
CITY = "city"
UNKNOWN = UnknownEvent("gridcall.lamp-lit.v1", b'{"lamp":"a"}')


@pytest.fixture(autouse=True)
def two_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    have_two_deciders(monkeypatch)
    with two_versions_of_visits():
        yield


def life_of(case: str, due: int | None = None) -> list[e.Event]:
    """Return the inputs by which a case is reported, visited, resolved, verified and closed."""
    return [
        e.IssueReported(
            issue=case,
            source="source",
            line="hotline",
            reference=case,
            category="Noise",
            urgency="normal",
            due=due,
            claims=(IN_0101,),
            rules=(),
        ),
        e.VisitMade(action=f"{case} visited", issue=case, source="source", by="ann"),
        e.ResolutionClaimed(
            action=f"{case} resolved", issue=case, source="source", by="ann", root_cause="noise"
        ),
        e.ResolutionChecked(
            action=f"{case} checked", issue=case, source="source", by="bob", holds=True
        ),
        closing_of(case),
    ]


def closing_of(case: str) -> e.ClosingAsked:
    return e.ClosingAsked(action=f"{case} closed", issue=case, source="source", by="ann")


BEGINNING = [MAP_ADOPTED, ROSTER_SENT, POLICIES_SENT]
MID_LOG = [*BEGINNING, *life_of("a"), adoption_of(DECIDER_VERSION), *life_of("b"), closing_of("a")]
ADOPTED_AT = 9  # The position of the decider's adoption among them.


class District:
    """The logs of a district in memory, and runners of this build or of an older one."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        self.logs = {name: MemoryLog(name) for name in ("intake", "cases", "calls")}
        drafts = [
            Draft(number * S, REFERENCE if is_adoption(each) else f"{number}", each)
            for number, each in enumerate(inputs, 1)
        ]
        asyncio.run(self.logs["intake"].append(CITY, drafts))

    def runner(self, log: str = "cases", batch: int = 400) -> Runner[Any, Any]:
        (stages,) = (each for each in pipeline(CONTENTS) if each.sink == log)
        runner = stages.processor(CITY, self.logs, batch)
        asyncio.run(runner.replay())
        return runner

    def rows(self, log: str = "cases") -> Sequence[Row]:
        return asyncio.run(self.logs[log].read(CITY, 0, 10_000))


def is_adoption(event: Any) -> bool:
    return isinstance(event, e.ReferenceAdopted)


def catch_up(runner: Runner[Any, Any]) -> None:
    asyncio.run(runner.catch_up())


def outcomes(rows: Sequence[Row]) -> list[str]:
    return [type(row.event).__name__ for row in rows if row.subject != REFERENCE]


# ── A log with two versions ──────────────────────────────────────────────────────────────────────


def test_the_version_in_force_decides_and_writes_its_version_of_the_event() -> None:
    district = District(MID_LOG)
    catch_up(district.runner())
    assert outcomes(district.rows()) == [
        *("CaseReported", "CaseRouted", "CaseVisitedV1", "CaseResolved", "CaseVerified"),
        "InputDeclined",
        *("CaseReported", "CaseRouted", "CaseVisited", "CaseResolved", "CaseVerified"),
        "CaseClosed",
        "CaseClosed",
    ]
    (declined,) = (row for row in district.rows() if isinstance(row.event, e.InputDeclined))
    assert declined.event.because == BY_POST


@pytest.mark.parametrize("log", ["cases", "calls"])
def test_a_new_owner_at_any_position_writes_the_same_rows(log: str) -> None:
    whole = District(MID_LOG)
    for each in ("cases", "calls"):
        catch_up(whole.runner(each))
    for stopped_after in range(1, len(MID_LOG) + 1):
        district = District(MID_LOG[:stopped_after])
        catch_up(district.runner())
        catch_up(district.runner("calls"))
        rest = whole.rows("intake")[stopped_after:]
        asyncio.run(
            district.logs["intake"].append(
                CITY, [Draft(row.time, row.subject, row.event) for row in rest]
            )
        )
        catch_up(district.runner())
        catch_up(district.runner("calls"))
        assert district.rows(log) == whole.rows(log), stopped_after


def test_stored_rows_read_back_and_are_folded_as_the_newest_version() -> None:
    district = District(MID_LOG)
    catch_up(district.runner())
    stored = [row_of("cases", CITY, entry(row)) for row in district.rows()]
    assert stored == district.rows()
    cases: dict[str, Case] = {}
    for row in readable(stored):
        if row.subject != REFERENCE:
            evolve_case(cases.setdefault(row.subject, Case(row.subject)), row)
    assert [cases[name].stage for name in "ab"] == ["closed", "closed"]
    visited = next(row for row in stored if isinstance(row.event, CaseVisitedV1))
    case = Case("a")
    for row in readable(stored[: visited.position]):
        if row.subject == "a":
            evolve_case(case, row)
    assert case.stage == "visited"


def test_a_log_that_began_without_an_adoption_is_decided_by_the_oldest_version() -> None:
    district = District([*BEGINNING, *life_of("a")])
    catch_up(district.runner())
    assert "CaseVisitedV1" in outcomes(district.rows())


def test_the_version_before_can_be_adopted_again() -> None:
    inputs = [*MID_LOG, adoption_of(BEFORE), *life_of("c")]
    district = District(inputs)
    catch_up(district.runner())
    assert outcomes(district.rows())[-6:] == [
        *("CaseReported", "CaseRouted", "CaseVisitedV1", "CaseResolved", "CaseVerified"),
        "InputDeclined",
    ]


# ── An owner that lacks a version ────────────────────────────────────────────────────────────────


def test_an_owner_that_lacks_a_version_commits_all_before_it_and_a_newer_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = District(MID_LOG)
    catch_up(whole.runner())
    for batch in (1, 2, 5, 400):
        district = District(MID_LOG)
        with monkeypatch.context() as patch:
            have_decider_before(patch)
            for _ in range(2):  # The second one replays what the first one committed.
                with pytest.raises(Halted, match="this build has 2026-10: install one that has it"):
                    catch_up(district.runner(batch=batch))
        before = [row for row in whole.rows() if row.input < ADOPTED_AT]
        assert district.rows() == before
        catch_up(district.runner(batch=batch))
        assert district.rows() == whole.rows()


def test_time_does_not_pass_beyond_an_adoption_that_an_owner_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    district = District(MID_LOG)
    have_decider_before(monkeypatch)
    runner = district.runner()
    stage = runner.stage
    stage.apply(asyncio.run(district.logs["intake"].read(CITY, 0, 100)))
    assert (stage.input, stage.watermark) == (ADOPTED_AT - 1, ADOPTED_AT * S)
    with pytest.raises(Halted, match=DECIDER_VERSION):
        stage.advance_time(100 * S)
    with pytest.raises(Halted, match=DECIDER_VERSION):
        stage.apply([])


def test_an_owner_that_lacks_a_version_of_its_own_log_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    district = District(MID_LOG)
    catch_up(district.runner())
    have_decider_before(monkeypatch)
    with pytest.raises(Halted, match=f"decider '{DECIDER_VERSION}' was adopted"):
        district.runner()


# ── Rows of a newer build ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch", [1, 3, 400])
def test_a_stage_commits_all_before_an_input_of_an_unknown_type_and_stops(batch: int) -> None:
    inputs = [*BEGINNING, *life_of("a")]
    whole = District(inputs)
    catch_up(whole.runner())
    district = District([*inputs, UNKNOWN, *life_of("b")])
    for _ in range(2):
        with pytest.raises(
            Halted, match=r"intake/city/9 is a gridcall\.lamp-lit\.v1, which this build"
        ):
            catch_up(district.runner(batch=batch))
    assert district.rows() == whole.rows()


def test_a_stage_stops_before_an_unknown_row_in_any_part_of_a_batch() -> None:
    reports = [life_of(f"{number:05}")[0] for number in range(2 * PART)]
    for place in (0, 1, PART - 1, PART, PART + 1):
        district = District([*reports[:place], UNKNOWN, *reports[place:]])
        with pytest.raises(Halted):
            catch_up(district.runner(batch=3 * PART))
        assert [row.input for row in district.rows() if row.step == 1] == [*range(1, place + 1)]


def test_a_stage_does_not_replay_a_row_of_its_own_of_an_unknown_type() -> None:
    stage = pipeline(CONTENTS)[0].make(CITY)
    with pytest.raises(Halted, match="cases/city/1 is a gridcall"):
        stage.replay([Row("cases", CITY, 1, 1, 1, 1, "a", 1, "intake/city/1", UNKNOWN)])


# ── Keys and timers of a version ─────────────────────────────────────────────────────────────────


class Watchful(Escalation):
    """A version that has a key for every case, and a second timer beside each."""

    def keys(self, state: Any) -> Sequence[Key]:
        return (Key("all", "cases"),)

    def timers(self, state: Any) -> Sequence[Timer]:
        running = super().timers(state)
        return (*running, *(timer._replace(kind="watch") for timer in running))


def test_a_version_takes_over_with_its_own_keys_and_timers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "escalation.stage.DECIDERS", {BEFORE: Escalation, DECIDER_VERSION: Watchful}
    )
    report = life_of("a", due=90 * S)[0]
    district = District([*BEGINNING, report, adoption_of(DECIDER_VERSION)])
    catch_up(district.runner())
    runner = district.runner("calls")
    catch_up(runner)
    live, replayed = runner.stage, district.runner("calls").stage
    for stage in (live, replayed):
        assert "a" in stage.aggregates.find(Key("all", "cases"))
        assert [timer.kind for timer in sorted(stage._timers)] == ["deadline", "watch"]


# ── Inputs in an earlier version ─────────────────────────────────────────────────────────────────

VISIT_MADE_V1 = "gridcall.visit-made.v1"


def first_visit_of(case: str) -> VisitMadeV1:
    return VisitMadeV1(action=f"{case} visited", issue=case, source="source", visitor="ann")


def test_an_input_of_the_first_version_is_decided_as_the_newest() -> None:
    both = []
    for visit in (first_visit_of("a"), life_of("a")[1]):
        district = District([*BEGINNING, life_of("a")[0], visit])
        catch_up(district.runner())
        both.append(district.rows())
    assert both[0] == both[1]
    assert outcomes(both[0])[-1] == "CaseVisitedV1"


def test_an_input_that_waits_is_stored_as_it_was_written_and_decided_as_the_newest() -> None:
    report, *_ = life_of("a")
    district = District([*BEGINNING, first_visit_of("a"), report])
    catch_up(district.runner())
    waiting = next(row.event for row in district.rows() if isinstance(row.event, e.ActionWaits))
    assert waiting.input.type == VISIT_MADE_V1
    assert '"visitor":"ann"' in waiting.input.data
    assert outcomes(district.rows())[-1] == "CaseVisitedV1"
    for position in range(len(district.rows()) + 1):
        assert_replays_from(district, position)


class Poisoned(RoutingBefore):
    """Fails for visits while it is ill."""

    is_ill = True

    def decide(self, input_: Any, view: Any) -> Sequence[Any]:
        if self.is_ill and isinstance(input_.event, e.VisitMade):
            raise ValueError("no visits today")
        return super().decide(input_, view)


def test_an_input_behind_a_parked_case_is_stored_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("routing.stage.DECIDERS", {BEFORE: Poisoned})
    report, _, *rest = life_of("a")
    district = District([*BEGINNING, report, first_visit_of("a"), rest[0]])
    catch_up(district.runner())
    parked = next(row.event for row in district.rows() if isinstance(row.event, e.CaseParked))
    assert parked.input is not None
    assert parked.input.type == VISIT_MADE_V1
    monkeypatch.setattr(Poisoned, "is_ill", False)
    retry = e.RetryAsked(action="again", issue="a", log="cases", by="operator")
    asyncio.run(district.logs["intake"].append(CITY, [Draft(50 * S, "again", retry)]))
    catch_up(district.runner())
    assert outcomes(district.rows())[-3:] == ["CaseRetried", "CaseVisitedV1", "CaseResolved"]


def assert_replays_from(district: District, position: int) -> None:
    """Check that an owner with the first rows of the log alone writes the others."""
    other = District([])
    other.logs["intake"] = district.logs["intake"]
    rows, rest = district.rows()[:position], district.rows()[position:]
    if rows and rest and rest[0].input == rows[-1].input:
        return  # A commit has whole decisions.
    asyncio.run(other.logs["cases"].commit(CITY, rows))
    catch_up(other.runner())
    assert other.rows() == district.rows()
