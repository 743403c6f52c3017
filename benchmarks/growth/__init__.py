"""Curves of growth: each figure as its work grows, the goal that it has, and its drawing.

A curve is a module of this package with a `CURVE`, and a row of `CURVES` in curves.py.
"""
