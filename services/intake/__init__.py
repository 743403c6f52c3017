"""Intake: the only way into gridcall. It accepts every input once, in one order per district."""
