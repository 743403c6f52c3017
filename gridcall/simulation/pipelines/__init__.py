"""Pipelines of simulate: in memory, on Postgres, over Kafka."""
