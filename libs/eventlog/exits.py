"""The end of a program: its exit status, and the sentence that says what to do."""

from __future__ import annotations

import errno
from typing import NamedTuple

from eventlog.postgres.generation import NewGeneration
from events.errors import GridcallError, Halted, Unavailable, Unusable

NOTHING_RAN, UNREACHABLE, TERMINATED = 2, 3, 143
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Exit(NamedTuple):
    """An exit status, and the sentence on stderr."""

    status: int
    sentence: str


def exit_of(fault: GridcallError | OSError) -> Exit:
    """Return the end of a program that a fault has ended."""
    match fault:
        case NewGeneration():
            return Exit(
                UNREACHABLE,
                f"{fault}. Check which database this is; to go on with it: gridcall restore accept",
            )
        case Unusable():
            return Exit(UNREACHABLE, str(fault))
        case Unavailable():
            return Exit(UNREACHABLE, f"{fault}; see GRIDCALL_DATABASE_URL, or run gridcall doctor")
        case OSError():
            return Exit(UNREACHABLE, f"{fault.filename or 'stdout'}: {next_step(fault)}")
        case Halted():
            return Exit(NOTHING_RAN, str(fault))
        case _:
            return Exit(UNREACHABLE, str(fault))


def next_step(fault: OSError) -> str:
    """Return what a file or folder lacks, and what to do."""
    if fault.errno in FULL:
        return f"{fault.strerror}; make room, then run again"
    if fault.errno in CLOSED:
        return f"{fault.strerror}; permit it, or name another folder (GRIDCALL_HOME)"
    return f"{fault.strerror or fault}"
