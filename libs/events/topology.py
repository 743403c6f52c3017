"""The services, their logs, and the addresses at which they are found: one declaration for all
readers.
"""

from __future__ import annotations

from typing import NamedTuple


class Service(NamedTuple):
    """A service: the log that it writes, the logs that it reads, and the port of its API.

    `log` is None for a service that writes none. `inputs` are in the order in which a merge prefers
    them at one instant. `summary` says what the log carries.
    """

    name: str
    log: str | None
    inputs: tuple[str, ...]
    port: int
    summary: str = ""


SERVICES = (
    Service(
        "intake", "intake", (), 8311,
        "Every accepted input in one order per district: issues, actions, reference data.",
    ),
    Service("routing", "cases", ("intake",), 8312, "The life of every case, and an outcome for every input."),
    Service("escalation", "calls", ("cases",), 8313, "Clocks and calls, and an outcome for every action on a call."),
    Service("assessment", "evaluations", ("cases", "calls"), 8314, "Sheets sealed, appeals ruled."),
    Service("screen", None, ("intake", "cases", "calls"), 8315),
)  # fmt: skip

SERVICE = {service.name: service for service in SERVICES}
WRITER = {service.log: service.name for service in SERVICES if service.log is not None}
LOGS = tuple(WRITER)
STAGES = tuple(service for service in SERVICES if service.log and service.inputs)
UPSTREAM = {
    stage.name: WRITER[stage.inputs[-1]] for stage in STAGES
}  # Stage → the service it follows.
