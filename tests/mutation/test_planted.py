"""Each rule of the logs is missed when it is removed (docs/planted-bugs.md)."""

from __future__ import annotations

import pytest

from tests.harness.paths import ROOT
from tests.mutation.faults import HISTORIES, History, PlantedFault
from tests.mutation.table import HEAD, PLANTED_FAULTS, outcomes_of


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Return the database of a history, or nothing if the history is in memory."""
    parameters = request.node.callspec.params
    history = parameters["history"] if "history" in parameters else parameters["planted"].history
    return str(request.getfixturevalue("database")) if history.needs_database else ""


def finders(outcomes: set[str]) -> set[str]:
    """Return verify and the checker if they are among the outcomes."""
    return {what.partition(":")[0] for what in outcomes} & {"verify", "checker"}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=lambda history: history.name)
async def test_with_the_rule_it_is_fine(history: History, url: str) -> None:
    assert not finders(set(history.usual))
    assert await outcomes_of(history, (), url) == set(history.usual)


@pytest.mark.parametrize("planted", PLANTED_FAULTS, ids=lambda planted: planted.name)
async def test_without_the_rule_it_is_caught(planted: PlantedFault, url: str) -> None:
    outcomes = await outcomes_of(planted.history, planted.weakened, url)
    usual = set(planted.history.usual)
    if planted.masked_by:
        assert outcomes == usual
    assert set(planted.caught_by) <= outcomes - usual
    assert finders(set(planted.caught_by)) == finders(outcomes)


def test_none_goes_free() -> None:
    for planted in PLANTED_FAULTS:
        assert bool(planted.caught_by) != bool(planted.masked_by), planted.name
        if planted.masked_by:
            assert any(
                set(planted.weakened) < set(other.weakened) and other.caught_by
                for other in PLANTED_FAULTS
            ), planted.name


def test_every_history_is_one_of_a_planted_bug_and_every_name_is_its_own() -> None:
    assert {planted.history.name for planted in PLANTED_FAULTS} == HISTORIES.keys()
    assert len({planted.name for planted in PLANTED_FAULTS}) == len(PLANTED_FAULTS)


def test_the_document_is_the_table() -> None:
    page = (
        (ROOT / "docs" / "planted-bugs.md")
        .read_text(encoding="utf-8")
        .partition("\n## Over Kafka\n")[0]
    )
    shown = [line for line in page.splitlines() if line.startswith("|")]
    assert shown == [*HEAD.splitlines(), *(planted.line for planted in PLANTED_FAULTS)]
