"""The port of a server, checked before anything starts."""

from __future__ import annotations

import socket

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
