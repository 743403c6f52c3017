"""Issues that upstream systems publish on Kafka."""
