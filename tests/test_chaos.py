"""The short form of chaos: half a minute on real processes, with every kind of fault."""

from __future__ import annotations

import pytest

from tests.chaos import campaign


def test_nothing_is_lost_or_done_twice_while_processes_and_the_database_are_killed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = campaign(tmp_path_factory.mktemp("chaos"), seconds=30, seed=4, restarts=1)
    assert found.violations == []
    assert "rows are equal" in found.verified
    assert len(found.receipts) > 100
    assert found.faults.total() >= 5
