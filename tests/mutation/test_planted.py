"""Each rule that the logs stand on is missed when it is not there (tests/mutation/planted.py, docs/planted-bugs.md)."""

from __future__ import annotations

import asyncio

import pytest

from tests.harness.paths import ROOT
from tests.mutation.planted import HEAD, HISTORIES, PLANTED, History, Planted, Weakening, outcome


def noticed(
    told: History, weakened: tuple[Weakening, ...], request: pytest.FixtureRequest
) -> set[str]:
    url = request.getfixturevalue("database") if told.stored else ""
    return asyncio.run(outcome(told, weakened, url))


def finders(found: set[str]) -> set[str]:
    """Whether verify and the checker are among them."""
    return {what.partition(":")[0] for what in found} & {"verify", "checker"}


@pytest.mark.parametrize("told", HISTORIES.values(), ids=lambda told: told.name)
def test_with_the_rule_it_is_fine(told: History, request: pytest.FixtureRequest) -> None:
    assert not finders(set(told.usual))
    assert noticed(told, (), request) == set(told.usual)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_without_the_rule_it_is_caught(planted: Planted, request: pytest.FixtureRequest) -> None:
    found, usual = noticed(planted.history, planted.weakened, request), set(planted.history.usual)
    if planted.masked_by:
        assert found == usual
    assert set(planted.caught_by) <= found - usual
    assert finders(set(planted.caught_by)) == finders(found)


def test_none_goes_free() -> None:
    for planted in PLANTED:
        assert bool(planted.caught_by) != bool(planted.masked_by), planted.name
        if planted.masked_by:
            assert any(
                set(planted.weakened) < set(other.weakened) and other.caught_by for other in PLANTED
            ), planted.name


def test_every_history_is_one_of_a_planted_bug_and_every_name_is_its_own() -> None:
    assert {planted.history.name for planted in PLANTED} == HISTORIES.keys()
    assert len({planted.name for planted in PLANTED}) == len(PLANTED)


def test_the_document_is_the_table() -> None:
    page = (
        (ROOT / "docs" / "planted-bugs.md")
        .read_text(encoding="utf-8")
        .partition("\n## Over Kafka\n")[0]
    )
    shown = [line for line in page.splitlines() if line.startswith("|")]
    assert shown == [*HEAD.splitlines(), *(planted.line for planted in PLANTED)]
