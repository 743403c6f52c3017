"""All policies: sentences about the manifests, each a function that fails where one is not true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.contract.kubernetes import configuration, edges, network, pods, storage
from tests.harness.manifests import Manifests

Policy: TypeAlias = Callable[[Manifests], None]
CHAPTERS = (edges, storage, pods, configuration, network)  # The slowest comes last.

EVERYWHERE: Sequence[Policy] = [each for chapter in CHAPTERS for each in chapter.POLICIES]
IN_PRODUCTION: Sequence[Policy] = [
    each for chapter in CHAPTERS for each in chapter.PRODUCTION_POLICIES
]
POLICIES = {"local": EVERYWHERE, "production": [*EVERYWHERE, *IN_PRODUCTION]}


def sentence(policy: Policy) -> str:
    """Return a policy as a sentence."""
    return policy.__name__.replace("_", " ")
