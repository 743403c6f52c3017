"""A reference model of simulate, written from its contract alone."""
