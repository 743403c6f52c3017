"""Alembic's environment, and the migrations that the schemas of all services share."""
