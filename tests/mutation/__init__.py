"""Planted faults: each rule of the logs is removed, one at a time, and something must notice.

A row says which rule, how it is weakened, in which history, and what catches it. A history is
small, and has its crash, pause, lost answer, zombie or early input at the place where the rule
counts. docs/planted-bugs.md shows the table.
"""
