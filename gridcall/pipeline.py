"""The stages behind intake's log, in the order in which they follow each other.

Host, simulate, verify and tests take them from here or from the services' own factories, so that
there is one wiring. The facts of assessment are a table, and no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from assessment.stage import assessment_stages
from escalation.stage import escalation_stages
from eventlog.checkpoints import Fetch
from eventlog.runner import nothing_to_fetch
from eventlog.stages import Stages
from routing.stage import routing_stages

SIMULATE = "simulate"  # The owner of a simulation's leases. It stores no facts.


def pipeline(
    contents: Mapping[str, bytes], fetch: Fetch = nothing_to_fetch
) -> tuple[Stages, Stages, Stages]:
    """Return the stages of routing, escalation and assessment.

    `contents` has the reference data by digest.
    """
    return routing_stages(contents, fetch), escalation_stages(), assessment_stages()
