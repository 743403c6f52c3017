"""verify: the stored record is checked, and one thread folds intake's log again beside it.

The chain covers what came in. The fold covers what the services made of it: rows of the stages'
logs and facts of assessment, byte for byte. No store is involved in the fold.
"""

from __future__ import annotations

from gridcall.verify.chain import KnownHead
from gridcall.verify.differences import Contradiction, Difference, Finding
from gridcall.verify.district import Verified, verify, verify_district

__all__ = [
    "Contradiction",
    "Difference",
    "Finding",
    "KnownHead",
    "Verified",
    "verify",
    "verify_district",
]
