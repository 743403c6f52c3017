"""Leases: a row names its owner, and the instant at which another process may take it.

Only the clock of the database counts. An owner renews the lease with everything that it writes. An
owner that was paused may still write after its lease ended, so a lease alone protects nothing. The
epoch in a log's fence refuses such a write; other writers do no harm by writing twice.
"""

from __future__ import annotations

LEASE_SECONDS = 3.0


def take_leases(table: str, keys: str, rows: str, returning: str) -> str:
    """Return the statement that takes the lease of each row that is free or has this owner.

    `rows` gives the keys, the owner, and the end of the lease. Rows that do not exist are inserted,
    with the defaults of the other columns.
    """
    return f"""
INSERT INTO {table} AS held ({keys}, owner, leased_until) {rows}
ON CONFLICT ({keys}) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
WHERE held.owner = excluded.owner OR held.leased_until < clock_timestamp() RETURNING {returning}
"""
