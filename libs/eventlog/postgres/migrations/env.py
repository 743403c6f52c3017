"""Alembic's environment: one history per service, in the service's own schema."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
service = context.config.attributes["service"]

connection.execute(
    text("SELECT pg_advisory_xact_lock(hashtext('gridcall/migrations'))")
)  # Replicas start at the same time.
connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
context.configure(connection=connection, version_table_schema=service, include_schemas=True)
with context.begin_transaction():
    context.run_migrations()
