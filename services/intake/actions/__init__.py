"""The actions that people post, a file each. A new action is a new file here, and nothing else.

Each file has one ACTION: its event, and an example of its own fields.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from events.registry import TYPE_OF
from intake.action import Action


def discover() -> dict[str, Action]:
    """Return the actions of this folder by name, in the order of the catalogue of events."""
    declared = [
        import_module(f"{__name__}.{module.name}").ACTION for module in iter_modules(__path__)
    ]
    order = list(TYPE_OF)
    return {
        action.name: action
        for action in sorted(declared, key=lambda action: order.index(action.event))
    }


ACTIONS = discover()
