"""Histories written by hand: a correct one, and faults to plant in it."""
