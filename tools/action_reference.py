"""The page docs/actions.md, generated from intake: `python -m tools.action_reference`."""

from __future__ import annotations

import inspect
import json

from intake.action import Action
from intake.actions import ACTIONS

HEAD = """# Actions

Generated from `services/intake/actions/` by `make docs`; `make check` fails when they differ.

Post each to `POST /actions`, as [intake-api.md](intake-api.md) says. `/openapi.json` has the exact
schemas.

| `type` | its own fields | meaning |
|---|---|---|
"""


def document() -> str:
    """Return the whole page."""
    return HEAD + "".join(map(row, ACTIONS.values())) + "\n## Examples\n" + examples()


def row(action: Action) -> str:
    """Return the row of an action: its name, its own fields, and the first line of its text."""
    own = ", ".join(f"`{name}`" for name in action.model.event_fields)
    meaning = (inspect.getdoc(action.event) or "").partition("\n\n")[0].replace("\n", " ")
    return f"| `{action.name}` | {own} | {meaning} |\n"


def examples() -> str:
    """Return an example of each action, as its file declares it."""
    return "".join(
        f"\n```json\n{json.dumps(example, ensure_ascii=False, indent=2)}\n```\n"
        for action in ACTIONS.values()
        for example in action.model.model_json_schema()["examples"]
    )


if __name__ == "__main__":
    print(document(), end="")
