"""Which grids contain a point."""
