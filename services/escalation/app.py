"""Escalation as a program: it follows `cases` and writes `calls`."""

from __future__ import annotations

from pathlib import Path

from escalation.settings import EscalationSettings
from escalation.stage import escalation_stages
from eventlog.host import ServiceHost, StageService
from eventlog.program import Program
from events.topology import DIRECTORY, WRITER


def make_service(host: ServiceHost, _: object = None) -> StageService:
    """Return escalation on a host."""
    return StageService(host, escalation_stages())


PROGRAM = Program(
    name="escalation",
    settings=EscalationSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
