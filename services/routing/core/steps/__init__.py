"""The steps of a case's life, a file each: the states that take it, its events, refusals and fold.

To add a step, declare the action and its events in `events.catalogue`, add a file here, and name it
in `routing.core.decider`. The type checker refuses an action or an event that is left out there.
"""
