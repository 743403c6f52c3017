"""A person asks to close the case."""

from events.catalogue import ClosingAsked
from intake.action import Action

ACTION = Action(ClosingAsked, by="w:0103")
