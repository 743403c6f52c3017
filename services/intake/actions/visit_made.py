"""A worker went there."""

from events.catalogue import VisitMade
from intake.action import Action

ACTION = Action(VisitMade, by="w:0102")
