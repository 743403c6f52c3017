"""One screen for district, street and community. It reads the logs and nothing else, and decides nothing."""
