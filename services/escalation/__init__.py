"""Escalation: clocks and calls. Writes `calls`, reads `cases`."""
