"""Maps as cities publish them: each fault is named, and mended or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.map_variants.city import KINDS
from tests.harness.map_variants.trial import report, run_trial, run_trials


@pytest.mark.parametrize("number", range(len(KINDS)), ids=list(KINDS))
def test_a_public_map_is_named_and_mended_or_refused_with_the_reason(
    number: int, tmp_path: Path
) -> None:
    assert run_trial(number, tmp_path).faults == ()


@pytest.mark.long
def test_500_public_maps_are_named_and_mended_or_refused_with_the_reason() -> None:
    trials = run_trials(500)
    print(report(trials))
    assert [trial for trial in trials if trial.faults] == []
