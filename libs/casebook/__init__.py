"""The shared read model: one pure fold of a case and one of a call, for every reader of the logs.

A reader keeps the `Case` and `Call` values wherever it likes and hands each row to the fold. The
deciders of routing and escalation have states of their own, and assessment has its facts.
"""

from casebook.call import CALL_CHANGES, Call, CallChange, Outcome, evolve_call, raised_call
from casebook.case import Case, evolve_case

__all__ = [
    "CALL_CHANGES",
    "Call",
    "CallChange",
    "Case",
    "Outcome",
    "evolve_call",
    "evolve_case",
    "raised_call",
]
