"""The pure stages behind intake's log, in the order in which they follow each other.

Host, simulate, verify and tests take them from here or from the services' own factories, so that
there is one wiring. Assessment keeps its state in a table and is no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from escalation.stage import escalation_stages
from eventlog.runner import nothing_to_fetch
from eventlog.stages import Fetch, Stages
from routing.stage import routing_stages


def pipeline(
    contents: Mapping[str, bytes], fetch: Fetch = nothing_to_fetch
) -> tuple[Stages, Stages]:
    """Return the stages of routing and escalation. `contents` has the reference data by digest."""
    return routing_stages(contents, fetch), escalation_stages()
