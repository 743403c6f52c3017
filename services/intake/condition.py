"""The condition of intake: its clock, its districts and its keys, for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from time import monotonic

from eventlog.condition import Condition, Finding, amend, count
from eventlog.postgres.inspection import inspect_service, missing_names
from eventlog.postgres.pool import Database
from eventlog.postgres.tables import columns_of
from events.instants import Instant, rfc3339
from events.topology import DECIDER_VERSIONS
from intake.acceptor import AHEAD_US_MAX, ClockLeapt, clock_errors, now_us
from intake.store import ConditionStore, DistrictState, IntakeStore
from intake.tables import METADATA

TABLES = columns_of(METADATA)
ALIKE = 0.7  # As difflib measures it: `licehng` is like `licheng`.


async def intake_condition(database: Database) -> Condition:
    """Return the condition of intake in a database."""
    condition = await inspect_service(database, "intake", "intake", TABLES, stage=False)
    if condition.missing:
        return condition
    districts, store = ConditionStore(database), IntakeStore(database)
    began, start = monotonic(), await store.clock()
    states = await districts.states()
    findings = [
        *await clock_findings(store),
        *await tracking_key_findings(districts),
        *(finding for state in states for finding in time_findings(state, start)),
        *(finding for state in states for finding in decider_findings(state)),
        *mistake_findings(states, await districts.stray_keys()),
        *quarantine_findings(await districts.quarantine_counts()),
    ]
    now, elapsed = await store.clock(), monotonic() - began
    speed = max(1.0, (now - start) / 1e6 / elapsed)
    return amend(condition, clock=now, speed=speed, findings=findings)


async def intake_obstacles(database: Database) -> list[str]:
    """Return why intake cannot accept, without the name of a district. Raises Unavailable."""
    if await missing_names(database, "intake", TABLES):
        return ["intake: the database lacks tables"]
    if await clock_findings(IntakeStore(database)):
        return ["intake: the database's clock leapt"]
    if await tracking_key_findings(ConditionStore(database)):
        return ["intake: the key of tracking codes is missing, or not the one that made them"]
    return []


async def clock_findings(store: IntakeStore) -> list[Finding]:
    """Return that the database's clock leapt, unless an operator has confirmed it."""
    try:
        with clock_errors():
            await store.check_clock(now_us(), AHEAD_US_MAX)
    except ClockLeapt as fault:
        return [
            Finding(
                check="clock",
                sentence=f"{fault}: nothing is accepted",
                command=f"set the clock right; if it is right: {fault.command}",
            )
        ]
    return []


async def tracking_key_findings(store: ConditionStore) -> list[Finding]:
    """Return that the key of tracking codes is missing, or made none of the codes of a district.

    Intake accepts nothing then, because its codes would be wrong.
    """
    if not await store.has_tracking_key():
        sentence = "the key of tracking codes is missing"
    elif others := await store.districts_of_other_key():
        sentence = f"the key of tracking codes is not the one of {', '.join(others)}"
    else:
        return []
    return [
        Finding(
            check="intake",
            sentence=f"{sentence}: nothing is accepted, and no code is answered",
            command="restore the table intake.tracking_key from a backup",
        )
    ]


def is_held(state: DistrictState, now: Instant) -> bool:
    """Tell if an operator holds the time of a district."""
    return now < state.time <= state.held_until


def time_findings(state: DistrictState, now: Instant) -> list[Finding]:
    """Return that the time of a district is ahead of the clock, or held until the clock is there.

    Without a hold nothing is accepted.
    """
    ahead_us = state.time - now
    if is_held(state, now):
        sentence = (
            f"the time of {state.code} is held at {rfc3339(state.time)}: it goes on in "
            f"{duration(ahead_us)}, and until then no deadline passes"
        )
        return [Finding(check="clock", sentence=sentence, note=True)]
    if ahead_us <= AHEAD_US_MAX:
        return []
    return [
        Finding(
            check="clock",
            sentence=f"{ahead_sentence(state.code, state.time)} ({duration(ahead_us)})",
            command=f"to wait for the clock: gridcall clock hold --district {state.code}; "
            f"to take the leap back: gridcall restore before TIME --district {state.code}",
        )
    ]


def ahead_sentence(district: str, time: Instant) -> str:
    """Return that a district is ahead of the clock. Its time is the same with every look."""
    return (
        f"the time of {district} is {rfc3339(time)}, ahead of the clock, which leapt: "
        "nothing is accepted"
    )


def decider_findings(state: DistrictState) -> list[Finding]:
    """Return that a district is decided by a version which this build lacks."""
    if state.decider is None or state.decider in DECIDER_VERSIONS:
        return []
    known = ", ".join(DECIDER_VERSIONS)
    return [
        Finding(
            check="districts",
            sentence=f"{state.code} is decided by {state.decider}, and this build has {known}: "
            "its stages halt there",
            command=f"install a build that has it; gridcall decider show --district {state.code}",
        )
    ]


def mistake_findings(
    states: Sequence[DistrictState], stray_keys: Sequence[tuple[str, str, str]]
) -> list[Finding]:
    """Return the districts without a map, and the keys of districts that do not exist."""
    usual = [state.code for state in states if state.has_map]
    findings = [
        Finding(
            check="districts",
            sentence=f"{state.code} has no map, and {count(state.position, 'input')}: "
            f"its issues are located nowhere{suspicion(state.code, usual)}",
            command=f"if it is a mistake: {revocations(state.keys)}, and post again with a right "
            "one; else: gridcall map load",
        )
        for state in states
        if not state.has_map
    ]
    return findings + [
        Finding(
            check="districts",
            sentence=f"key {key} of {source} is for {district}, which does not exist"
            f"{suspicion(district, usual)}",
            command=f"gridcall key revoke {key}",
        )
        for key, district, source in stray_keys
    ]


def suspicion(code: str, usual: Sequence[str]) -> str:
    """Return the question if another district was meant; empty if none is alike."""
    alike = get_close_matches(code, usual, n=1, cutoff=ALIKE)
    return f"; was {alike[0]} meant?" if alike else ""


def revocations(keys: Sequence[str]) -> str:
    """Return the commands that revoke keys."""
    return ", ".join(f"gridcall key revoke {key}" for key in keys) or "it has no key"


def quarantine_findings(counts: Sequence[tuple[str, int]]) -> list[Finding]:
    """Return the lines with records in quarantine."""
    return [
        Finding(
            check="intake",
            sentence=f"{count(number, 'record')} of the line {line} in quarantine",
            command=f"gridcall quarantine list --line {line}",
            note=True,
        )
        for line, number in counts
    ]


def duration(microseconds: int) -> str:
    """Return a length of time in its largest unit: 40 s, 12 min, 5 h, 3 days."""
    seconds = microseconds / 1e6
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
