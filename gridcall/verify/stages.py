"""The ends of a district's logs beside each other: none is further than the log that it reads."""

from __future__ import annotations

from gridcall.snapshot import FOLDED, LogEnd, Snapshot
from gridcall.verify.differences import Contradiction


async def stage_contradiction(snapshot: Snapshot, district: str) -> Contradiction | None:
    """Return the first end that contradicts another one."""
    for log, source in FOLDED.items():
        end, read = await snapshot.end(log, district), await snapshot.end(source, district)
        if end and (because := end_fault(end, read or LogEnd(), source)):
            return Contradiction(log, end.position, because)
    for log in ("intake", *FOLDED):
        end, published = (
            await snapshot.end(log, district),
            await snapshot.published_position(log, district),
        )
        if published > (last := end.position if end else 0):
            return Contradiction(log, last, f"{published} rows were published, and {last} exist")
    return await assessment_contradiction(snapshot, district)


def end_fault(end: LogEnd, read: LogEnd, source: str) -> str | None:
    """Return what is wrong with the end of a log, beside that of the log which it reads."""
    if end.input > read.position:
        return f"it has applied {source} up to {end.input}, which ends at {read.position}"
    if end.time > read.time:
        return f"its time is {end.time}, further than {source}, which is at {read.time}"
    if end.generation not in (0, read.generation, read.before):
        return f"it follows generation {end.generation} of {source}, which has {read.generation}"
    return None


async def assessment_contradiction(snapshot: Snapshot, district: str) -> Contradiction | None:
    """Return what contradicts the progress of assessment."""
    for log, merged in (await snapshot.merged_positions(district)).items():
        end = await snapshot.end(log, district)
        if merged > (last := end.position if end else 0):
            because = f"{log} is merged up to {merged}, and ends at {last}"
            return Contradiction("facts", 0, because)
    async for _ in snapshot.entries("evaluations", district, 1):
        return Contradiction("evaluations", 1, "nothing is written to this log yet")
    return None
