"""Routing as a program: it follows intake's log and writes `cases`."""

from __future__ import annotations

from pathlib import Path

from eventlog.host import ServiceHost
from eventlog.postgres.tables import columns_of, metadata_of
from eventlog.program import Program
from eventlog.stage_service import StageService
from events.catalogue import PARKING
from events.topology import DIRECTORY, WRITER
from routing.contents import Contents
from routing.settings import RoutingSettings
from routing.stage import routing_stages

TABLES = columns_of(metadata_of("routing"))


def make_service(host: ServiceHost, _: object = None) -> StageService:
    """Return routing on a host, which gives it contents of reference data."""
    contents = Contents(host.directory.contents)
    stages = routing_stages(contents, contents.fetch)
    return StageService(host, stages, TABLES, PARKING)


PROGRAM = Program(
    name="routing",
    settings=RoutingSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
