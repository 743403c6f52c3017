"""Refusals: the problem that a sender gets for each error of the intake API."""

from __future__ import annotations

from starlette.requests import ClientDisconnect

from eventlog.postgres.generation import NewGeneration
from events.errors import Unavailable
from httpedge.problems import Problem
from intake.acceptor import Busy, ClockLeapt
from intake.districts import UnknownDistrict

# The errors for which `to_problem` knows a problem.
REFUSALS = (
    Problem,
    Unavailable,
    Busy,
    ClockLeapt,
    NewGeneration,
    UnknownDistrict,
    ClientDisconnect,
)
SEND_AGAIN = "Send the same again, with the same references: nothing is stored twice."
FAULT = Problem(500, "fault", "A fault of gridcall", f"This is a fault of gridcall. {SEND_AGAIN}")


def to_problem(error: Exception) -> Problem:
    """Return what the sender can do about one of REFUSALS."""
    match error:
        case Problem():
            return error
        case ClientDisconnect():
            return Problem(400, "gone", "Gone", "The body stopped half-way; nothing was stored.")
        case ClockLeapt():
            detail = (
                f"{error}. An operator looks which clock is right, and decides: {error.command}"
            )
            return Problem(503, "clock", "The clock leapt", detail)
        case NewGeneration():
            # Without its reason, which names places and districts: anyone may ask.
            detail = (
                "The database is another one than before. Nothing is accepted until an operator has"
                " looked, and goes on with: gridcall restore accept"
            )
            return Problem(503, "generation", "Another database", detail)
        case UnknownDistrict():
            detail = (
                f"The district {error.district!r} of this key does not exist here. "
                f"An operator adds it: gridcall district add {error.district}"
            )
            return Problem(409, "unknown-district", "No such district", detail)
        case Busy():
            return Problem(503, "busy", "Busy", SEND_AGAIN)
        case _:
            return Problem(503, "away", "The database is away", SEND_AGAIN)
