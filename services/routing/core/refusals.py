"""The refusal of an action, and the sentences that several steps share."""

from __future__ import annotations

from collections.abc import Sequence

from events.catalogue import Action, InputDeclined
from routing.core.case import Case

HAS_ENDED = "This case has ended: reopen it first."
IN_QUEUE = "This case is in a dispatcher's queue: say where it lies first."


def refuse(action: Action, state: Case, because: str) -> Sequence[InputDeclined]:
    """Decline an action. `because` is a sentence for its sender, who reads what to do instead."""
    return [InputDeclined(case=state.case, input_id=action.action, because=because)]
