"""The pure part: rows, the decider protocol, the stage loop, and the log in memory."""
