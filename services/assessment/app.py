"""Assessment as a program: it merges `cases` and `calls` into facts and writes `evaluations`."""

from __future__ import annotations

from pathlib import Path

from assessment.settings import AssessmentSettings
from assessment.stage import AssessmentProcessors
from assessment.store import FactStore
from assessment.tables import METADATA
from eventlog.host import ServiceHost
from eventlog.postgres.tables import columns_of
from eventlog.program import Program
from eventlog.stage_service import StageService
from events.topology import DIRECTORY, WRITER

TABLES = columns_of(METADATA)


def make_service(host: ServiceHost, _: object = None) -> StageService:
    """Return assessment on a host."""
    return StageService(host, AssessmentProcessors(FactStore(host.database)), TABLES)


PROGRAM = Program(
    name="assessment",
    settings=AssessmentSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
