"""The database behind each store of intake."""

from __future__ import annotations

from eventlog.postgres.pool import SupportsFetch


class Store:
    """Statements on some tables of intake. Every method is one statement."""

    def __init__(self, database: SupportsFetch) -> None:
        self._database = database
