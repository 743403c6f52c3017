"""A city as its files have it: profile, map, times, rows."""
