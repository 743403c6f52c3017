"""Print the table of docs/planted-bugs.md: `python -m tests.mutation`."""

from tests.mutation.table import HEAD, PLANTED_FAULTS

print(HEAD, *(planted.line for planted in PLANTED_FAULTS), sep="\n")
