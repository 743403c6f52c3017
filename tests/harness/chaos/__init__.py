"""Campaigns of chaos: load while processes, databases, broker and network fail."""
