"""Parsing of actions: each names its type, and is read by the model of that type."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import Field

from intake.action import PostedAction
from intake.actions import ACTIONS
from intake.parsing.parser import Parser

MODELS = {name: action.model for name, action in ACTIONS.items()}
ANY_MODEL: Any = Union[tuple(MODELS.values())]  # noqa: UP007
ACTION: Parser[PostedAction] = Parser(
    "action", Annotated[ANY_MODEL, Field(discriminator="type")], MODELS
)

parse_action = ACTION.parse
