"""Routing as a program: it follows intake's log and writes `cases`."""

from __future__ import annotations

from pathlib import Path

from eventlog.host import ServiceHost, StageService
from eventlog.program import Program
from events.topology import DIRECTORY, WRITER
from routing.contents import Contents
from routing.settings import RoutingSettings
from routing.stage import routing_stages


def make_service(host: ServiceHost, _: object = None) -> StageService:
    """Return routing on a host, which gives it contents of reference data."""
    contents = Contents(host.directory.contents)
    return StageService(host, routing_stages(contents, contents.fetch))


PROGRAM = Program(
    name="routing",
    settings=RoutingSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
