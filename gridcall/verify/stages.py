"""The ends of a district's logs beside each other: none is further than the logs that it reads."""

from __future__ import annotations

from collections.abc import Mapping

from gridcall.snapshot import SOURCES, LogEnd, Snapshot
from gridcall.verify.differences import Contradiction


async def stage_contradiction(snapshot: Snapshot, district: str) -> Contradiction | None:
    """Return the first end that contradicts another one."""
    for log, sources in SOURCES.items():
        end = await snapshot.end(log, district)
        read = {source: await snapshot.end(source, district) or LogEnd() for source in sources}
        if end and (because := end_fault(end, read)):
            return Contradiction(log, end.position, because)
    for log in ("intake", *SOURCES):
        end, published = (
            await snapshot.end(log, district),
            await snapshot.published_position(log, district),
        )
        if published > (last := end.position if end else 0):
            return Contradiction(log, last, f"{published} rows were published, and {last} exist")
    return await facts_contradiction(snapshot, district)


def end_fault(end: LogEnd, read: Mapping[str, LogEnd]) -> str | None:
    """Return what is wrong with the end of a log, beside those of the logs which it reads."""
    logs, total = " and ".join(read), sum(source.position for source in read.values())
    if end.input > total:
        return f"it has applied {logs} up to {end.input}, which ends at {total}"
    for name, source in read.items():
        if end.time > source.time:
            return f"its time is {end.time}, further than {name}, which is at {source.time}"
        if end.generation not in (0, source.generation, source.before):
            return (
                f"it follows generation {end.generation} of {name}, which has {source.generation}"
            )
    return None


async def facts_contradiction(snapshot: Snapshot, district: str) -> Contradiction | None:
    """Return what contradicts the positions up to which facts are merged."""
    for log, merged in (await snapshot.merged_positions(district)).items():
        end = await snapshot.end(log, district)
        if merged > (last := end.position if end else 0):
            because = f"{log} is merged up to {merged}, and ends at {last}"
            return Contradiction("facts", 0, because)
    return None
