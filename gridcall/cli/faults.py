"""The end of the program by a fault: an exit status, and a sentence that says what to do.

It is imported once there is a fault, because it knows those of every service.
"""

from __future__ import annotations

import traceback
from typing import NoReturn

from eventlog.exits import exit_of
from events.errors import GridcallError
from gridcall.cli.terminal import NOTHING_RAN, OWN_FAULT, UNREACHABLE, fail, say
from intake.acceptor import ClockLeapt
from intake.adoption import ReferenceRefused
from intake.districts import UnknownDistrict


def end(fault: Exception) -> NoReturn:
    """End the program. A fault of gridcall has an exit status of its own, unlike rejected rows."""
    match fault:
        case ClockLeapt():
            fail(
                UNREACHABLE,
                f"{fault}. Check which clock is right, and decide: {fault.command}",
            )
        case UnknownDistrict() | ReferenceRefused():
            fail(NOTHING_RAN, str(fault))
        case GridcallError() | OSError():
            fail(*exit_of(fault))
        case _:
            say("".join(traceback.format_exception(fault)), err=True)
            fail(OWN_FAULT, "this is a fault of gridcall; please report it with the lines above")
