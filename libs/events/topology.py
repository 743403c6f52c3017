"""The services, their logs and their ports: one declaration for all readers."""

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
        name="intake",
        log="intake",
        inputs=(),
        port=8311,
        summary="Every accepted input in one order per district: issues, actions, reference data.",
    ),
    Service(
        name="routing",
        log="cases",
        inputs=("intake",),
        port=8312,
        summary="The life of every case, and an outcome for every input.",
    ),
    Service(
        name="escalation",
        log="calls",
        inputs=("cases",),
        port=8313,
        summary="Clocks and calls, and an outcome for every action on a call.",
    ),
    Service(
        name="assessment",
        log="evaluations",
        inputs=("cases", "calls"),
        port=8314,
        summary="Months counted and finished; later sheets sealed, appeals ruled.",
    ),
    Service(name="screen", log=None, inputs=("intake", "cases", "calls"), port=8315),
)

SERVICE = {service.name: service for service in SERVICES}
WRITER = {service.log: service.name for service in SERVICES if service.log is not None}
LOGS = tuple(WRITER)
STAGES = tuple(service for service in SERVICES if service.log and service.inputs)
UPSTREAM = {stage.name: tuple(WRITER[log] for log in stage.inputs) for stage in STAGES}
"""Each stage, and the writers of the logs that it reads."""

DIRECTORY = "intake"  # The service that lists the districts and stores contents.

# The versions of the deciders of all stages, the oldest first. An operator adopts one of them.
DECIDER_VERSIONS: tuple[str, ...] = ("2026-11",)
DECIDER_VERSION = DECIDER_VERSIONS[-1]
