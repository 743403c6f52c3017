"""Try so many variants, and print the counts by kind."""

from __future__ import annotations

import sys

from tests.harness.map_variants.trial import report, run_trials

print(report(run_trials(int(sys.argv[1]))))
