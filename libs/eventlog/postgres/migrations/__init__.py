"""How the tables of every service came about: Alembic's environment, and what all services' first
steps share.
"""
