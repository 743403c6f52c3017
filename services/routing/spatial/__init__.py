"""The look-up of the grids that contain a point."""
