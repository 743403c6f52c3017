"""The log on Kafka: topics, the relay that publishes, the reader."""
