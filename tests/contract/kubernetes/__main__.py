"""Print docs/kubernetes-lines.md: `python -m tests.contract.kubernetes`."""

import sys

from tests.contract.kubernetes.removed_lines import table, try_changes

sys.stdout.write(table(list(try_changes())))
