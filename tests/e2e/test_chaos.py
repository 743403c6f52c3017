"""The short forms of chaos: real processes, with every kind of fault."""

from __future__ import annotations

import pytest

from tests.harness import chaos_over_kafka
from tests.harness.chaos import campaign


def test_nothing_is_lost_or_done_twice_while_processes_and_the_database_are_killed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    result = campaign(tmp_path_factory.mktemp("chaos"), seconds=30, seed=4, restarts=1)
    assert result.violations == []
    assert "rows are equal" in result.verified
    assert len(result.receipts) > 100
    assert result.faults.total() >= 5


@pytest.mark.usefixtures("broker")
def test_over_kafka_nothing_is_lost_or_done_twice_while_everything_fails(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    result = chaos_over_kafka.campaign(
        tmp_path_factory.mktemp("chaos"), seconds=56, seed=4, every=2.5
    )
    assert result.violations == []
    assert result.wrong == 0, result.notes
    assert "rows are equal" in result.verified
    assert len(result.receipts) > 100
    assert len(result.faults) == chaos_over_kafka.FAULTS
