"""The parser of one kind of item: strict JSON, then the model, else everything that is wrong."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from httpedge.problems import invalid
from httpedge.strict_json import ITEM_BYTES_MAX, check_strict
from intake.parsing.errors import problem_of
from intake.parsing.shape import Shape

# Members and containers of an item. The largest has some 20. To list the errors of 60,000 takes
# 0.1 s.
PARTS_MAX = 5_000
SMALL_BYTES_MAX = 4_096  # An item of this size has fewer parts.

Item = TypeVar("Item")


class Parser(Generic[Item]):
    """A parser of items of one shape; `name` is the word for one in sentences."""

    def __init__(self, name: str, annotation: Any, shape: Shape) -> None:
        self.schema: TypeAdapter[Item] = TypeAdapter(annotation)
        self._name = name
        self._shape = shape
        # The adapter's own method calls this one, and costs a tenth more.
        self._validate = self.schema.validator.validate_json

    def parse(self, item: bytes) -> Item:
        """Return the item that bytes are. Raises Problem 422 (413 for its size) with all faults."""
        check_parts(item)
        check_strict(item, "issue or action")
        try:
            parsed: Item = self._validate(item)
        except ValidationError as caught:
            error = caught.with_traceback(None)  # Which would carry the item along, in a cycle.
        else:
            return parsed
        raise problem_of(self._name, self._shape, error)


def check_parts(item: bytes) -> None:
    """Raise Problem 422 for an item of crumbs, before any of them is read."""
    if (
        SMALL_BYTES_MAX < len(item) <= ITEM_BYTES_MAX
        and item.count(b",") + item.count(b"{") + item.count(b"[") > PARTS_MAX
    ):
        raise invalid(
            f"The item has more than {PARTS_MAX:,} parts, which no issue or action has: see what it"
            " may have."
        )
