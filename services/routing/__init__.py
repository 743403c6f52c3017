"""Routing: locates reports, admits them, and decides the life of each case.

Reads `intake`, writes `cases`.
"""
