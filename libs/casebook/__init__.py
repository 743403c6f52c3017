"""The shared read model: one pure fold of a case and one of a call, for every reader of the logs.

`public_case` is what everybody may know of a case.

A reader keeps the `Case` and `Call` values wherever it likes and hands each row to the fold. The
deciders of routing and escalation have states of their own, and assessment has its facts.
"""

from casebook.call import CALL_CHANGES, Call, CallChange, Outcome, evolve_call, raised_call
from casebook.case import Case, evolve_case
from casebook.public import PublicCase, Tracked, public_case, received_case

__all__ = [
    "CALL_CHANGES",
    "Call",
    "CallChange",
    "Case",
    "Outcome",
    "PublicCase",
    "Tracked",
    "evolve_call",
    "evolve_case",
    "public_case",
    "raised_call",
    "received_case",
]
