"""A worker says that the matter is solved."""

from events.catalogue import ResolutionClaimed
from intake.action import Action

ACTION = Action(ResolutionClaimed, by="w:0102", root_cause="no_barrier")
