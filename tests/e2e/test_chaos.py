"""The short forms of chaos: real processes, with every kind of fault."""

from __future__ import annotations

import re

import pytest

from tests.harness.chaos import harm, hostile, one_database, over_kafka


def states_in(verified: str) -> int:
    """Return how many state rows verify has compared."""
    (states,) = re.findall(r"([\d,]+) states", verified)
    return int(states.replace(",", ""))


def test_nothing_is_lost_or_done_twice_while_processes_and_the_database_are_killed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    findings = one_database.campaign(
        tmp_path_factory.mktemp("chaos"), seconds=30, seed=4, restarts=1
    )
    assert findings.violations == []
    assert "rows are equal" in findings.verified
    assert states_in(findings.verified) > 100
    assert len(findings.receipts) > 100
    assert findings.faults.total() >= 5


@pytest.mark.usefixtures("broker")
def test_over_kafka_nothing_is_lost_or_done_twice_while_everything_fails(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    findings = over_kafka.campaign(tmp_path_factory.mktemp("chaos"), seconds=56, seed=4, every=2.5)
    assert findings.violations == []
    assert findings.wrong == 0, findings.notes
    assert "rows are equal" in findings.verified
    assert states_in(findings.verified) > 100
    assert len(findings.receipts) > 100
    assert len(findings.faults) == over_kafka.FAULTS


def test_hostile_clients_of_every_kind_keep_no_good_client_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    findings = hostile.campaign(tmp_path_factory.mktemp("hostile"), seconds=20)
    assert findings.violations == [], hostile.describe(findings)
    assert set(findings.statuses["the good client"]) == {"202"}
    assert findings.statuses.keys() >= {harm.name_of(kind) for kind in harm.KINDS}
    assert findings.receipts
