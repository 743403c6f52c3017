"""The end of a service program: an exit status, and the next step for an operator."""

from __future__ import annotations

import errno

import pytest

from eventlog.exits import NOTHING_RAN, UNREACHABLE, exit_of
from eventlog.postgres.generation import NewGeneration
from events.errors import GridcallError, Halted, Unavailable, Unusable
from httpedge.ports import PortTaken


@pytest.mark.parametrize(
    ("fault", "status", "next_step"),
    [
        (NewGeneration("the database was restored"), UNREACHABLE, "gridcall restore accept"),
        (Unavailable("the database cannot be reached"), UNREACHABLE, "gridcall doctor"),
        (Unusable("the disk is full; make room"), UNREACHABLE, "make room"),
        (
            OSError(errno.ENOSPC, "no space left", "/data"),
            UNREACHABLE,
            "/data: no space left; make",
        ),
        (
            OSError(errno.EACCES, "denied", "/data"),
            UNREACHABLE,
            "/data: denied; permit it, or name",
        ),
        (OSError(errno.ENOENT, "no such file", "/data"), UNREACHABLE, "/data: no such file"),
        (PortTaken("name another port"), UNREACHABLE, "name another port"),
        (Halted("GRIDCALL_KAFKA is not set"), NOTHING_RAN, "GRIDCALL_KAFKA"),
    ],
)
def test_a_program_that_ends_says_what_to_do(
    fault: GridcallError | OSError, status: int, next_step: str
) -> None:
    ended_with, sentence = exit_of(fault)
    assert ended_with == status
    assert next_step in sentence
