"""The errors of a database, by what their reader must do.

A lost or busy database is `Unavailable`: it comes back by itself. One that refuses is `Unusable`:
an operator must act first. Any other error is a fault of gridcall, and passes.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import asyncpg

from events.errors import Unavailable, Unusable

LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # The server just ended the session, the connection is still open.
)
NEW_DATABASE = "ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"
MISSING = "a part of gridcall's schemas is missing", "gridcall up brings them up to date"
BROKEN = "the database or its disk is damaged", "see the database's own log"

# By SQLSTATE, or by its class (two characters): the kind of error, the problem, and the next step.
LOST_STATES = {"08", "25P03", "57"}
BUSY_STATES = {"40", "53", "55P03"}
REFUSALS = {
    "25006": ("the database is read-only", "end that, or name its primary"),
    "28": ("the database refuses the role or its password", "check GRIDCALL_DATABASE_URL"),
    "3D000": (
        "there is no such database",
        f"check GRIDCALL_DATABASE_URL, or create one with {NEW_DATABASE}; "
        "gridcall up creates the one of the embedded server",
    ),
    "3F000": MISSING,
    "42501": ("the role of the URL lacks a right", "grant it, or name the schemas' owner"),
    "42703": MISSING,
    "42883": MISSING,
    "42P01": MISSING,
    "53100": ("the disk of the database is full", "make room"),
    "55000": ("the database is a standby", "name its primary"),
    "58": BROKEN,
    "XX": BROKEN,
}


@contextmanager
def map_errors() -> Iterator[None]:
    """Raise Unavailable or Unusable if the block cannot use the database.

    A name that kept the error would be in a cycle with its traceback, and so would all its frames.
    """
    try:
        yield
    except (*LOST, asyncpg.PostgresError) as fault:
        if translate(fault):
            raise cast("Unavailable", translate(fault)) from fault
        raise


def translate(fault: BaseException) -> Unavailable | None:
    """Return what an error of the driver is for a reader. None for a fault of gridcall."""
    if isinstance(fault, asyncpg.exceptions.ClientConfigurationError):
        return Unusable(f"the URL of the database is wrong: {fault}")
    if isinstance(fault, ssl.SSLCertVerificationError):
        return Unusable(
            f"the certificate of the database is refused: {fault.verify_message}; "
            "check sslrootcert and the host in GRIDCALL_DATABASE_URL"
        )
    if isinstance(fault, LOST):
        return Unavailable(f"the database cannot be reached: {type(fault).__name__}: {fault}")
    if not isinstance(fault, asyncpg.PostgresError):
        return None
    for state in (str(fault.sqlstate), str(fault.sqlstate)[:2]):
        if state in REFUSALS:
            problem, next_step = REFUSALS[state]
            return Unusable(f"{problem}: {fault}; {next_step}")
        if state in BUSY_STATES:
            return Unavailable(f"the database is busy: {fault}")
        if state in LOST_STATES:
            name = type(fault).__name__
            return Unavailable(f"the database cannot be reached: {name}: {fault}")
    return None
