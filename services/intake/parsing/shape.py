"""The shape of an item: where an error of pydantic is, and which fields may be there.

pydantic locates an error by keys and numbers, and between them by the tags of the alternatives that
it chose. A pointer for the sender has no tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, Tag

from httpedge.problems import child_pointer

Model = type[BaseModel]
Shape = Model | Mapping[str, Model] | None  # A mapping has the alternatives by their tags.
Loc = tuple[int | str, ...]


class Place(NamedTuple):
    """The place of an error: a pointer to it, and the model that holds it."""

    pointer: str
    model: Model | None


def place_of(root: Shape, loc: Loc) -> Place:
    """Return the place to which a location of pydantic leads."""
    shape, model, pointer = root, None, ""
    for step in loc:
        if isinstance(shape, Mapping):
            shape = shape[str(step)]
            continue
        pointer = child_pointer(pointer, str(step))
        if isinstance(step, str):
            model = shape
            field = model.model_fields.get(step) if model else None
            shape = shape_of(field.annotation) if field else None
    return Place(pointer, model)


def shape_of(annotation: Any) -> Shape:
    """Return the model, or the alternatives, in the annotation of a field; None for others."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    args = get_args(annotation)
    alternatives: dict[str, Model] = {
        tag.tag: arg.__origin__
        for arg in args
        for tag in getattr(arg, "__metadata__", ())
        if isinstance(tag, Tag)
    }
    if alternatives:
        return alternatives
    shapes: Iterator[Shape] = (shape for shape in map(shape_of, args) if shape)
    return next(shapes, None)
