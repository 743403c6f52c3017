"""The screen of a district. It reads the logs and nothing else, and decides nothing."""
