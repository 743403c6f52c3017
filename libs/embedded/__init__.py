"""The Postgres that gridcall starts itself where no other one is named."""
