"""Simulate: a historical data set through the real deciders, in its own time."""
