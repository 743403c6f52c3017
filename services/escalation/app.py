"""Escalation as a program: it follows `cases` and writes `calls`."""

from __future__ import annotations

from pathlib import Path

from escalation.settings import EscalationSettings
from escalation.stage import escalation_stages
from eventlog.host import ServiceHost
from eventlog.postgres.tables import columns_of, metadata_of
from eventlog.program import Program
from eventlog.stage_service import StageService
from events.catalogue import PARKING
from events.topology import DIRECTORY, WRITER

TABLES = columns_of(metadata_of("escalation"))


def make_service(host: ServiceHost, _: object = None) -> StageService:
    """Return escalation on a host."""
    return StageService(host, escalation_stages(), TABLES, PARKING)


PROGRAM = Program(
    name="escalation",
    settings=EscalationSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
