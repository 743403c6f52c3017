"""The screen's read model beside a fresh fold of the logs that it has read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, NamedTuple

from eventlog.codec import NO_EVENT, row_of
from gridcall.snapshot import Snapshot
from gridcall.verify.differences import Contradiction
from screen.core.case_file import LOGS
from screen.folded_model import FoldedModel
from screen.store.contents import ModelEnd


class CheckedModel(NamedTuple):
    """A model that was compared: the number of its cases, and the first row that is wrong.

    `behind` has a sentence for each log that is shorter than what was read of it. Its service may
    be folding it again, and nothing was compared.
    """

    cases: int = 0
    contradiction: Contradiction | None = None
    behind: tuple[str, ...] = ()


async def check_read_model(snapshot: Snapshot, district: str) -> CheckedModel:
    """Fold the logs of a district as far as the screen has read them, and compare every row.

    A district whose screen has stored nothing has nothing to compare.
    """
    model = await snapshot.read_model(district)
    if model is None:
        return CheckedModel()
    if behind := [each async for each in shorter_logs(snapshot, district, model)]:
        return CheckedModel(behind=tuple(behind))
    folded = FoldedModel()
    for log in LOGS:
        async for entries in snapshot.entries(log, district, model.positions.get(log, 0)):
            try:
                folded.apply([row_of(log, district, each) for each in entries])
            except NO_EVENT as fault:
                because = f"no event of gridcall is there: {fault}"
                return CheckedModel(0, Contradiction(log, entries[0].position, because))
    expected = {name: digest_of(values) for name, values in folded.rows()}
    async for name, values in snapshot.read_model_rows(model):
        digest = expected.pop(name, None)
        if digest != digest_of(values):
            because = "its logs give another one" if digest else "its logs give no such row"
            return CheckedModel(0, contradiction(name, because))
    if expected:
        return CheckedModel(0, contradiction(min(expected), "it is missing"))
    return CheckedModel(len(folded.files))


async def shorter_logs(snapshot: Snapshot, district: str, model: ModelEnd) -> AsyncIterator[str]:
    """Yield a sentence for each log that ends before what the model has read of it."""
    for log, position in model.positions.items():
        end = await snapshot.end(log, district)
        if position > (last := end.position if end else 0):
            yield f"the screen has read {log} up to {position:,}, which ends at {last:,}"


def contradiction(name: str, because: str) -> Contradiction:
    """Return the contradiction of a row of the read model."""
    command = "gridcall rebuild makes a new one"
    return Contradiction("screen", 0, f"{name}: {because}; {command}")


def digest_of(values: tuple[Any, ...]) -> bytes:
    """Return a digest of the values of a row, which takes less memory."""
    return sha256(repr(values).encode()).digest()[:16]
