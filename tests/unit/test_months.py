"""Sentences about the months of a district: the decider of assessment."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assessment.core.decider import KIND, MONTHS, Assessment
from assessment.core.months import month_after, month_of, start_of
from assessment.stage import assessment_stages
from eventlog.core.decider import REFERENCE, ReferenceChanged, Timer, TimerFired
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.testing.sentences import given
from events import catalogue as e
from events.errors import Halted
from events.instants import LATEST, instant
from events.topology import DECIDER_VERSION

SHANGHAI = "Asia/Shanghai"
assessment = Assessment()


def instant_at(
    zone: str, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> int:
    """Return the instant of a local time."""
    return instant(datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(zone)))


def policies(zone: str) -> e.PoliciesAdopted:
    return e.PoliciesAdopted(name=zone, zone=zone, answer_within=None, limits=())


def month_scheduled(zone: str, period: str, starts: int) -> e.MonthScheduled:
    ends = start_of(zone, month_after(period))
    return e.MonthScheduled(period=period, zone=zone, starts=starts, ends=ends)


def month_finished(month: e.MonthScheduled) -> e.MonthFinished:
    return e.MonthFinished(
        period=month.period, zone=month.zone, starts=month.starts, ends=month.ends
    )


MARCH = month_scheduled(SHANGHAI, "2026-03", instant_at(SHANGHAI, 2026, 3, 1))
APRIL = month_scheduled(SHANGHAI, "2026-04", instant_at(SHANGHAI, 2026, 4, 1))
END_OF_MARCH = TimerFired(Timer(MARCH.ends, MONTHS, KIND, 1))


def test_with_the_first_zone_the_month_is_counted_in_which_it_comes() -> None:
    middle = instant_at(SHANGHAI, 2026, 3, 15, 12)
    given(assessment, policies(SHANGHAI)).when(ReferenceChanged(MONTHS), middle).then(MARCH)


def test_before_there_is_a_zone_nothing_is_counted() -> None:
    row = e.CaseRetried(case="c")
    assert run(("cases", 5, "c", row)) == []


def test_at_its_end_a_month_is_finished_and_the_next_one_is_counted() -> None:
    given(assessment, policies(SHANGHAI), MARCH).when(END_OF_MARCH, MARCH.ends).then(
        month_finished(MARCH), APRIL
    )


def test_the_same_zone_again_changes_nothing() -> None:
    given(assessment, policies(SHANGHAI), MARCH, policies(SHANGHAI)).when(
        ReferenceChanged(MONTHS), instant_at(SHANGHAI, 2026, 3, 20)
    ).then()


def test_another_zone_in_the_middle_of_a_month_moves_its_end_and_not_its_beginning() -> None:
    given(assessment, policies(SHANGHAI), MARCH, policies("Europe/Dublin")).when(
        ReferenceChanged(MONTHS), instant_at(SHANGHAI, 2026, 3, 20)
    ).then(
        e.MonthScheduled(
            period="2026-03",
            zone="Europe/Dublin",
            starts=MARCH.starts,
            ends=instant_at("Europe/Dublin", 2026, 4, 1),
        )
    )


def test_policies_and_decider_versions_are_recorded_and_other_reference_data_are_not() -> None:
    version = e.ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest="")
    for event in (policies(SHANGHAI), version):
        given(assessment).when(event).then(event)
    given(assessment).when(e.ReferenceAdopted(kind="map", name="m", digest="d")).then()
    given(assessment).when(e.RosterAdopted(name="r", digest="d", receivers=())).then()


# ── Through the stage ────────────────────────────────────────────────────────────────────────────


def stage_of() -> Stage[Any, Any]:
    return assessment_stages().make("city")


def rows_of(*facts: tuple[str, int, str, e.Event]) -> list[Row]:
    """Return rows of both logs, each with the next position of its log."""
    positions: dict[str, int] = {}
    rows = []
    for log, time, subject, event in facts:
        positions[log] = position = positions.get(log, 0) + 1
        rows.append(Row(log, "city", position, time, position, 1, subject, position, "", event))
    return rows


def run(*facts: tuple[str, int, str, e.Event], until: int | None = None) -> list[Row]:
    """Return the rows that follow from rows of both logs."""
    stage = stage_of()
    made = stage.apply(rows_of(*facts))
    return made if until is None else [*made, *stage.advance_time(until)]


def adoption(zone: str, time: int, log: str = "cases") -> tuple[str, int, str, e.Event]:
    return log, time, REFERENCE, policies(zone)


def months_of(rows: list[Row]) -> list[tuple[str, int, int]]:
    """Return period, time and input of each month that was finished."""
    return [
        (row.event.period, row.time, row.input)
        for row in rows
        if isinstance(row.event, e.MonthFinished)
    ]


def test_months_without_any_input_are_finished_each_in_its_order() -> None:
    rows = run(
        adoption(SHANGHAI, instant_at(SHANGHAI, 2025, 11, 30)),
        until=instant_at(SHANGHAI, 2026, 3, 1, 0, 0, 1),
    )
    assert months_of(rows) == [
        ("2025-11", instant_at(SHANGHAI, 2025, 12, 1), 1),
        ("2025-12", instant_at(SHANGHAI, 2026, 1, 1), 1),
        ("2026-01", instant_at(SHANGHAI, 2026, 2, 1), 1),
        ("2026-02", instant_at(SHANGHAI, 2026, 3, 1), 1),
    ]


def test_an_input_at_the_end_of_a_month_comes_before_the_end_is_noted() -> None:
    end = instant_at(SHANGHAI, 2026, 4, 1)
    quiet = e.CaseRetried(case="c")
    facts = (adoption(SHANGHAI, instant_at(SHANGHAI, 2026, 3, 2)), ("cases", end, "c", quiet))
    assert months_of(run(*facts, until=end)) == []
    assert months_of(run(*facts, until=end + 1)) == [("2026-03", end, 2)]
    later = ("calls", end + 1, "c", quiet)
    assert months_of(run(*facts, later)) == [("2026-03", end, 2)]


def test_what_escalation_passes_on_of_reference_data_is_adopted_once() -> None:
    start = instant_at(SHANGHAI, 2026, 3, 2)
    rows = run(
        adoption(SHANGHAI, start),
        adoption("Europe/Dublin", start),
        adoption(SHANGHAI, start, "calls"),
        adoption("Europe/Dublin", start, "calls"),
    )
    zones = [row.event.zone for row in rows if isinstance(row.event, e.PoliciesAdopted)]
    assert zones == [SHANGHAI, "Europe/Dublin"]
    assert rows[-1].cause == "cases/city/2"
    assert rows[-1].input == 2


def test_a_month_that_is_over_under_another_zone_is_finished_with_the_next_input() -> None:
    """In the west it is still the last day; in the east the next month has begun."""
    start, late = (
        instant_at("America/New_York", 2026, 3, 2),
        instant_at("America/New_York", 2026, 3, 31, 20),
    )
    rows = run(
        adoption("America/New_York", start),
        adoption(SHANGHAI, late),
        ("calls", late + 5, "c", e.CaseRetried(case="c")),
    )
    assert months_of(rows) == [("2026-03", late, 2)]
    (month,) = (row.event for row in rows if isinstance(row.event, e.MonthFinished))
    assert month.ends == instant_at(SHANGHAI, 2026, 4, 1) < late


def test_a_fault_about_months_stops_the_shard() -> None:
    stage = stage_of()
    with pytest.raises(Halted, match=r"months cannot be counted: .*Atlantis"):
        stage.apply(rows_of(adoption("Atlantis", 5)))


def test_a_new_owner_goes_on_with_the_month_that_is_counted() -> None:
    facts = (adoption(SHANGHAI, instant_at(SHANGHAI, 2026, 3, 2)),)
    end = instant_at(SHANGHAI, 2026, 5, 2)
    whole = run(*facts, until=end)
    for cut in range(2, len(whole) + 1):
        if cut < len(whole) and whole[cut].step > 1:
            continue  # A decision is committed whole.
        stage = stage_of()
        stage.replay(whole[:cut])
        assert [*whole[:cut], *stage.advance_time(end)] == whole


# ── The calendar ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "period", "starts"),
    [
        (SHANGHAI, "2026-02", instant_at("UTC", 2026, 1, 31, 16)),
        ("Europe/Dublin", "2026-03", instant_at("UTC", 2026, 3, 1)),
        ("Europe/Dublin", "2026-04", instant_at("UTC", 2026, 3, 31, 23)),  # Summer time began.
        ("Africa/Cairo", "2026-05", instant_at("UTC", 2026, 4, 30, 21)),
        ("America/Sao_Paulo", "2002-11", instant_at("UTC", 2002, 11, 1, 3)),
        ("America/Toronto", "1918-11", instant_at("UTC", 1918, 11, 1, 5)),
        (SHANGHAI, "10000-01", LATEST),
    ],
)
def test_a_month_begins_at_local_midnight(zone: str, period: str, starts: int) -> None:
    assert start_of(zone, period) == starts


@pytest.mark.parametrize("zone", ["Asia/Beirut", "America/Santiago", "Pacific/Apia", "Asia/Gaza"])
def test_months_have_no_gap_in_zones_that_jump_at_midnight(zone: str) -> None:
    period, start = "2005-12", start_of(zone, "2005-12")
    for _ in range(120):
        following = month_after(period)
        end = start_of(zone, following)
        assert month_of(zone, start) == month_of(zone, end - 1) == period
        period, start = following, end
