"""Incidents at the edge: how many lines an attack writes into the log."""

from __future__ import annotations

import logging

import pytest

from httpedge.incidents import Incidents


def fault_of(place: int) -> Exception:
    """Return a fault that was raised at one of two places."""
    try:
        if place:
            raise KeyError("one place")
        raise KeyError("another place")
    except KeyError as fault:
        return fault


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_incidents_are_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    incidents = Incidents()
    for second in range(120):
        for _ in range(1000):
            incidents.count("silent", "192.0.2.1")
        incidents.report(float(second))
    incidents.count("headers", "192.0.2.7")
    incidents.report(120.0)
    assert warnings(caplog) == [
        "connections that ended early: 1,000 sent nothing; the last one from 192.0.2.1",
        "connections that ended early: 60,000 sent nothing; the last one from 192.0.2.1",
        "connections that ended early: 1 refused (headers), 59,000 sent nothing;"
        " the last one from 192.0.2.7",
    ]


def test_without_an_incident_nothing_is_written(caplog: pytest.LogCaptureFixture) -> None:
    Incidents().report(1000.0)
    assert caplog.records == []


def test_a_fault_is_written_with_its_traceback_once_for_each_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    incidents = Incidents()
    for number in range(100):
        incidents.record_fault(fault_of(number % 2), "192.0.2.1")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert all(record.exc_info for record in caplog.records)
    incidents.report(1000.0)
    assert warnings(caplog) == [
        "connections that ended early: 100 faults of gridcall; the last one from 192.0.2.1"
    ]
