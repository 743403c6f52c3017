"""Intake: the only door. A raw row of a line becomes one normalised issue or action, or is refused by name."""
