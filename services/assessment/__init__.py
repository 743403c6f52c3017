"""Assessment: facts and figures, from `cases` and `calls` alone, and the months that are counted.

Its stage reads both logs in one order. Sheets are sealed by it later.
"""
