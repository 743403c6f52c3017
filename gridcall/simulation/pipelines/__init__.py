"""How the stages are run for simulate: in memory, on Postgres, over Kafka."""
