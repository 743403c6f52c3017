"""The operator: the sender of what a command writes into intake's log."""

from __future__ import annotations

import os
import socket

from eventlog.core.row import Sender

SOURCE = "gridcall"


def operator_sender() -> Sender:
    """Return the sender of a command: the number of its user and the name of its machine.

    A number and no name, because the chain never forgets it.
    """
    return Sender(SOURCE, f"operator:{os.getuid()}@{socket.gethostname()}")
