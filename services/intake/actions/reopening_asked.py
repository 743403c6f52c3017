"""The matter flared up again, or its reporter was not satisfied."""

from events.catalogue import ReopeningAsked
from intake.action import Action

ACTION = Action(ReopeningAsked, because="recurrence")
