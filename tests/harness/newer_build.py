"""A build after this one: `python -m tests.harness.newer_build` has one decider version more.

By the newer version a person cannot close a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from events import topology

NEXT = "2027-02"
BY_POST = "Cases are closed by post."


def install() -> None:
    """Add the newer version to this process. It must be the first to import the stages."""
    topology.DECIDER_VERSIONS = (*topology.DECIDER_VERSIONS, NEXT)
    topology.DECIDER_VERSION = NEXT
    for service in topology.STAGES:
        stage = import_module(f"{service.name}.stage")
        deciders = getattr(stage, "DECIDERS", {})
        if deciders:
            *_, newest = deciders.values()
            deciders[NEXT] = close_by_post(newest) if service.name == "routing" else newest


def close_by_post(decider: type[Any]) -> type[Any]:
    """Return a decider that declines what a person asks to close."""
    from events.catalogue import ClosingAsked
    from routing.core.refusals import refuse

    class Next(decider):  # type: ignore[misc]
        def decide(self, input_: Any, view: Any) -> Sequence[Any]:
            if isinstance(input_.event, ClosingAsked):
                return refuse(input_.event, view.state(input_.subject), BY_POST)
            decided: Sequence[Any] = super().decide(input_, view)
            return decided

    return Next


if __name__ == "__main__":
    install()
    import_module("gridcall.cli.main").entry()
