"""Every line of the manifests of production is held by a policy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.contract.kubernetes.edges import API
from tests.contract.kubernetes.removed_lines import Tried, first_failure, table, try_changes
from tests.harness.manifests import manifests_of
from tests.harness.paths import ROOT

DOCUMENT = ROOT / "docs" / "kubernetes-lines.md"


@pytest.fixture(scope="module")
def attempts() -> Sequence[Tried]:
    """Return every change, with what became of it: half a minute."""
    return list(try_changes())


def test_nothing_fails_before_a_line_is_removed() -> None:
    assert first_failure(manifests_of("production")) == ""


@pytest.mark.parametrize("kind", sorted(API))
def test_no_line_can_be_removed_unnoticed(kind: str, attempts: Sequence[Tried]) -> None:
    of_kind = [each for each in attempts if each.kind == kind]
    assert len(of_kind) > 4
    unnoticed = [f"{each.name}: {each.change}" for each in of_kind if not each.policy]
    assert not unnoticed


def test_the_document_has_every_change(attempts: Sequence[Tried]) -> None:
    assert DOCUMENT.read_text() == table(attempts), (
        "python -m tests.contract.kubernetes > docs/kubernetes-lines.md"
    )
