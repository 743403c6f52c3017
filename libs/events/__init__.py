"""The contract of all services: events, topology, reference data. Start with catalogue/."""
