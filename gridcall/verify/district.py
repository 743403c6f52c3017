"""The verification of districts, as they are at one instant of their databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType

from events.errors import Halted
from gridcall.snapshot import DOWNSTREAM, SOURCES, Snapshot, open_snapshot
from gridcall.verify.chain import KnownHead, changed_contents, check_chain
from gridcall.verify.differences import Finding
from gridcall.verify.folds import fold_district
from gridcall.verify.read_model import CheckedModel, check_read_model
from gridcall.verify.stages import stage_contradiction

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.2  # A new snapshot each time: nothing announces to an old one how far a stage is.

Written = Mapping[tuple[str, str], int]  # (District, log of a stage) → rows that it can apply.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The verification of a district: how much was compared, and the first difference. `cases` is
    the number of those in the screen's read model.

    `head` is the hash of the chain at its last input, `position`. `behind` says in sentences which
    stages have not applied everything that was there when verification began.
    """

    district: str
    inputs: int = 0
    rows: int = 0
    facts: int = 0
    cases: int = 0
    states: int = 0
    difference: Finding | None = None
    position: int = 0
    head: bytes = b""
    behind: tuple[str, ...] = ()


async def verify(
    url: str,
    districts: Sequence[str] = (),
    progress: Callable[[int], None] = lambda inputs: None,
    service_databases: Mapping[str, str] = MappingProxyType({}),
    heads: Sequence[KnownHead] = (),
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[Verified]:
    """Verify districts of a database, all if none is named, as they are at one instant of it.

    `service_databases` has the URLs of services with a database of their own. Each of `heads` must
    be found in its district's chain. Stages that run are given time to apply what is there.
    """
    until = monotonic() + patience_seconds
    written: Written | None = None
    while True:
        async with open_snapshot(url, service_databases) as snapshot:
            chosen = await choose_districts(snapshot, districts, heads)
            written = written or await written_rows(snapshot, chosen)
            if monotonic() >= until or not await are_catching_up(snapshot, written):
                return [
                    await verify_district(snapshot, district, heads, progress, written)
                    for district in chosen
                ]
        await asyncio.sleep(LOOK_SECONDS)


async def verify_district(
    snapshot: Snapshot,
    district: str,
    heads: Sequence[KnownHead] = (),
    progress: Callable[[int], None] = lambda inputs: None,
    written: Written = MappingProxyType({}),
) -> Verified:
    """Check the record of a district, fold its inputs again, and compare.

    Ends at the first difference.
    """
    contents = await snapshot.contents()
    chain = await check_chain(snapshot.record, district, contents, heads)
    finding = (
        chain.contradiction
        or changed_contents(contents)
        or await stage_contradiction(snapshot, district)
    )
    if finding:
        return Verified(district=district, difference=finding)
    folded = await fold_district(snapshot, district, contents, progress)
    checked = CheckedModel()
    if not folded.difference:
        checked = await check_read_model(snapshot, district)
    return Verified(
        district=district,
        inputs=folded.inputs,
        rows=folded.rows,
        facts=folded.facts,
        cases=checked.cases,
        states=folded.states,
        difference=folded.difference or checked.contradiction,
        position=chain.position,
        head=chain.head,
        behind=(*await sentences_of_lag(snapshot, district, written), *checked.behind),
    )


async def choose_districts(
    snapshot: Snapshot, named: Collection[str], heads: Sequence[KnownHead]
) -> list[str]:
    """Return the districts to verify. Raises Halted for one that cannot be.

    Districts of heads are among them, so that a head is never left out.
    """
    known = await snapshot.districts()
    for name in named:
        if name not in known:
            raise Halted(f"no district {name} here; there are {', '.join(sorted(known)) or 'none'}")
    chosen = set(named or known) | {head.district for head in heads}
    for name in sorted(chosen):
        if await snapshot.end("intake", name) and not await snapshot.end("cases", name):
            options = " ".join(f"--service-database {service}=URL" for service in DOWNSTREAM)
            raise Halted(
                f"routing has nothing of {name} here: it has not begun, or the stages have "
                f"databases of their own: gridcall verify {options}"
            )
    return sorted(chosen)


# ── What is not applied yet ──────────────────────────────────────────────────────────────────────


async def written_rows(snapshot: Snapshot, districts: Collection[str]) -> Written:
    """Return how many rows each stage can have applied."""
    return {
        (district, log): await snapshot.rows_to_apply(log, district)
        for district in districts
        for log in SOURCES
    }


async def are_catching_up(snapshot: Snapshot, written: Written) -> bool:
    """Tell whether a stage that has an owner has not applied all of these rows."""
    districts = {district for district, _ in written}
    for log in SOURCES:
        for district in districts & (await snapshot.owners(log)).keys():
            if await sentences_of_stage(snapshot, log, district, written):
                return True
    return False


async def sentences_of_lag(snapshot: Snapshot, district: str, written: Written) -> list[str]:
    """Return a sentence for each stage that has not applied all of these rows."""
    return [
        sentence
        for log in SOURCES
        for sentence in await sentences_of_stage(snapshot, log, district, written)
    ]


async def sentences_of_stage(
    snapshot: Snapshot, log: str, district: str, written: Written
) -> list[str]:
    """Return a sentence if a log has not applied all of these rows, and one for its facts."""
    sentences = []
    end = await snapshot.end(log, district)
    applied, due = end.input if end else 0, written.get((district, log), 0)
    if applied < due:
        logs = " and ".join(SOURCES[log])
        sentences.append(f"{log} has applied {applied:,} of {due:,} rows of {logs}")
    if log == "evaluations" and await snapshot.expects_facts(district):
        merged = sum((await snapshot.merged_positions(district)).values())
        if merged < due:
            sentences.append(f"facts have {merged:,} of {due:,} rows of cases and calls")
    return sentences
