"""The pure part: no clock, no chance, no file, no network."""
