"""A dispatcher names the grid of an issue that could not be located."""

from events.catalogue import PlaceNamed
from intake.action import Action

ACTION = Action(PlaceNamed, by="d:01", grid="370112001001")
