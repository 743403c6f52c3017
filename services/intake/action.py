"""An action of people, declared by its event: its model, its name and its text follow from that."""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Literal

from pydantic import create_model

from intake.core.identity import action_id
from intake.parsing.event_model import posted_fields, values_of
from intake.parsing.field_types import DistrictCode, Strict, Text
from intake.parsing.issue_named import IssueNamed

GIVEN = ("action", "issue", "source")  # They follow from who posts and what is named.
EXAMPLE_HEAD = {"reference": "v-1", "issue": {"line": "hotline", "reference": "2026-000117"}}


class PostedAction(Strict):
    """The fields of every action; `reference` is the sender's own name for it."""

    event_class: ClassVar[type[Any]]
    event_fields: ClassVar[tuple[str, ...]]

    reference: Text
    issue: IssueNamed
    district: DistrictCode | None = None

    def to_event(self, district: str, source: str) -> Any:
        """Return the event of an action that a source sends to a district."""
        return self.event_class(
            action=action_id(district, source, self.reference),
            issue=self.issue.resolve(district, source),
            source=source,
            **values_of(self, self.event_fields),
        )


class Action:
    """The declaration of an action. `own` is an example of the fields that only it has."""

    def __init__(self, event: type[Any], **own: Any) -> None:
        self.event = event
        self.name = wire_name(event)
        self.model = action_model(event, self.name, {**EXAMPLE_HEAD, "type": self.name, **own})


def wire_name(event: type[Any]) -> str:
    """Return the name of an action as it is posted: VisitMade → visit_made."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


def action_model(event: type[Any], name: str, example: dict[str, Any]) -> type[PostedAction]:
    """Return the model of what is posted for an event."""
    own = posted_fields(event, omitted=GIVEN)
    type_: Any = Literal[name]
    model: type[PostedAction] = create_model(
        event.__name__,
        __base__=PostedAction,
        __doc__=inspect.getdoc(event),
        **own,
        type=(type_, ...),
    )
    model.event_class, model.event_fields = event, tuple(own)
    model.model_config["json_schema_extra"] = {"examples": [example]}
    return model
