"""The receiver of a call confirms that it arrived."""

from events.catalogue import AcknowledgementGiven
from intake.action import Action

ACTION = Action(AcknowledgementGiven, call="0f3c/1", by="o:01")
