"""Assessment: facts and figures, from `cases` and `calls` alone.

Its own log stays empty until sheets are sealed.
"""
