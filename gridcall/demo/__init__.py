"""The demo: a district, simulated traffic, a walk-through in the terminal."""
