"""The settings of services, as their programs declare them: who asks whom."""

from __future__ import annotations

from importlib import import_module

from eventlog.program import Program
from eventlog.settings import is_peer_url
from events.topology import SERVICE, SERVICES, Service


def program_of(service: Service) -> Program:
    """Return the program of a service."""
    program: Program = import_module(f"{service.name}.app").PROGRAM
    return program


def peers_of(service: Service) -> list[Service]:
    """Return the services that a service asks over HTTP: those whose address is a setting of it."""
    fields = program_of(service).settings.model_fields
    return [SERVICE[name.removesuffix("_url")] for name in fields if is_peer_url(name)]


def askers_of(service: Service) -> list[Service]:
    """Return the services that ask a service over HTTP."""
    return [each for each in SERVICES if service in peers_of(each)]
