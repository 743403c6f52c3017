"""Another person checked if a claimed resolution holds."""

from events.catalogue import ResolutionChecked
from intake.action import Action

ACTION = Action(ResolutionChecked, by="w:0103", holds=True)
