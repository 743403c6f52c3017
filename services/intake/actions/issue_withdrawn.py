"""The line takes its issue back."""

from events.catalogue import IssueWithdrawn
from intake.action import Action

ACTION = Action(IssueWithdrawn, because="sent_twice")
