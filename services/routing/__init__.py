"""Routing: locates what was reported, admits it, and keeps the life of each case. Writes `cases`, reads `intake`."""
