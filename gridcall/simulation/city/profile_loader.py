"""Loading of a profile from YAML, with errors that name file, line and key.

Every scalar is read as written, in Unicode's form NFC: a code `0406` stays `0406`, a status `No`
stays `No`. For an unknown key the error names the nearest known one.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from events.errors import GridcallError
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.text import is_text, to_nfc

KeyPath = tuple[str, ...]  # From the root of a profile to a key.


class ProfileError(GridcallError):
    """A profile is invalid. The text says what is wrong, where, and what to do."""


class SourceLines:
    """The line of each key in the file."""

    def __init__(self, path: Path, root: yaml.Node) -> None:
        self.path = path
        self._lines: dict[KeyPath, int] = {}
        self._add(root, ())

    def _add(self, node: yaml.Node, at: KeyPath) -> None:
        self._lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and not is_text(node.value):
            raise self._error(node, at, "NUL or half a character is here")
        if isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                inner = (*at, str(key.value))
                if inner in self._lines:
                    raise self._error(key, inner, "this key is here twice")
                self._lines[inner] = key.start_mark.line + 1
                self._add(key, inner)
                self._add(item, inner)
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                self._add(item, (*at, str(i)))

    def _error(self, node: yaml.Node, at: KeyPath, fault: str) -> ProfileError:
        return ProfileError(f"{self.path}:{node.start_mark.line + 1}: {'.'.join(at)}: {fault}")

    def known_part(self, at: KeyPath) -> KeyPath:
        """Return the longest part of a path that the file has."""
        while at and at not in self._lines:
            at = at[:-1]
        return at

    def location(self, at: KeyPath) -> str:
        """Return file:line of a key, or of the nearest key around it."""
        return f"{self.path}:{self._lines.get(self.known_part(at), 1)}"


def load_profile(path: Path) -> tuple[Profile, SourceLines]:
    """Return a profile and the lines of its keys.

    Raises ProfileError with a line for each finding: file:line: key: what is wrong and what to do.
    """
    data, lines = read_yaml(path)
    try:
        return Profile.model_validate(data, context={"format": data.get("format")}), lines
    except ValidationError as error:
        items = without_consequences(error.errors())
        raise ProfileError("\n".join(finding(item, lines) for item in items)) from error


def read_yaml(path: Path) -> tuple[dict[str, Any], SourceLines]:
    """Return the content of a YAML file, with every scalar as text, and the lines of its keys."""
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ProfileError(f"{path}: aliases (*name) are not read; write it out")
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        if not isinstance(root, yaml.MappingNode):
            raise ProfileError(
                f"{path}: a profile is a mapping of keys; start from the one in docs/simulate.md"
            )
        normalise(root)
        lines = SourceLines(path, root)
        # BaseLoader makes text, lists and mappings only.
        return yaml.BaseLoader("").construct_document(root), lines
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot be read: {error.strerror}; name a profile that exists"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{path}: not a YAML file in UTF-8: {error}") from error


def normalise(node: yaml.Node) -> None:
    """Change every scalar below a node to NFC, because cells and map codes are NFC, too."""
    if isinstance(node, yaml.ScalarNode):
        node.value = to_nfc(node.value)
        return
    for item in node.value:
        for inner in item if isinstance(item, tuple) else (item,):
            normalise(inner)


def without_consequences(items: Sequence[Any]) -> list[Any]:
    """Return the findings of pydantic without lists that are too short because an item is wrong."""
    paths = [item["loc"] for item in items]
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(path[: len(item["loc"])] == item["loc"] != path for path in paths)
    ]


def finding(item: Any, lines: SourceLines) -> str:
    """Return a finding of pydantic as file:line: key: what is wrong and what to do."""
    path = tuple(str(step) for step in item["loc"])
    at = lines.known_part(path)
    if item["type"] == "missing":
        at = path[: len(at) + 1]
    key, location = ".".join(at), lines.location(at)
    match item["type"]:
        case "extra_forbidden":
            nearest = get_close_matches(at[-1], known_keys(at[:-1]), n=1, cutoff=0.0)[0]
            return f"{location}: {key}: unknown key; did you mean {nearest!r}?"
        case "missing":
            return f"{location}: {key}: this key is missing; add it"
        case "value_error":
            return f"{location}: {key}: {item['ctx']['error']}"
    return f"{location}: {key}: {item['msg']} (got {item['input']!r})"


def known_keys(at: KeyPath) -> list[str]:
    """Return the keys that a profile may have below a path."""
    model: type[BaseModel] = Profile
    for step in at:
        if not step.isdigit():
            model = next(iter(models_in(model.model_fields[step].annotation)))
    return [field.alias or name for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]
