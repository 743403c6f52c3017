"""The port of a server, checked before anything starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress

from events.errors import GridcallError


class PortTaken(GridcallError):
    """The port cannot be listened on."""


def check_port(host: str, port: int) -> None:
    """Raise PortTaken if a port cannot be listened on. Port 0 is any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} of {host} cannot be used: {error.strerror}; name another one, "
                f"for example --port {port + 1} or GRIDCALL_PORT={port + 1}"
            ) from error


def free_ports(count: int) -> list[int]:
    """Return ports that are free, no two the same.

    They are below the range from which clients on loopback get theirs, so that a process that is
    started again finds its port free.
    """
    with ExitStack() as probes:
        ports: list[int] = []
        while len(ports) < count:
            port = 20_000 + secrets.randbelow(12_000)
            probe = probes.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        return ports
