"""The receiver of a call answers it."""

from events.catalogue import AnswerGiven
from intake.action import Action

ACTION = Action(AnswerGiven, call="0f3c/1", by="o:01")
