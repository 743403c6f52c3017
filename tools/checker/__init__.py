"""A checker of the logs that imports none of our code."""
