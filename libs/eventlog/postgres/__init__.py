"""The log in Postgres: tables, commits, leases, generations, migrations."""
