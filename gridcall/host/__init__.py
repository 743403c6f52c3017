"""All services of a process, and what they need of each other."""
