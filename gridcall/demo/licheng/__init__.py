"""The demo district, made to the byte the same each time."""
