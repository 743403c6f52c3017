"""Examines the conditions of all services together: what doctor and status say about them. Pure.

Much is over in seconds: a lease changes its owner, a batch is applied. So doctor looks again, and
says of such things only what it saw in two looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from eventlog.condition import Condition, Finding, ShardState, findings_of
from events.instants import Instant, rfc3339
from events.topology import SERVICE, WRITER
from intake.condition import duration

LATE_SECONDS = 10.0  # Of the district's time; quiet stages pass it on every five seconds.


class LogEnd(Protocol):
    """The end of a log in one shard: its last position, and how far time has passed."""

    @property
    def position(self) -> int: ...

    @property
    def time(self) -> Instant: ...


class Look(NamedTuple):
    """The conditions of the services at `seconds` on a clock of the one who looks.

    `unreachable` says why a condition is missing. `took` is how many seconds the answers took.
    """

    conditions: Mapping[str, Condition]
    unreachable: Sequence[Finding]
    seconds: float
    took: float = 0.0


def examine(look: Look, before: Look | None = None) -> list[Finding]:
    """Return what is wrong in a look. `before` is an earlier one, which shows what moves.

    Without an earlier one inputs that wait are no finding: they may be applied a moment later.
    """
    findings = list(look.unreachable)
    for condition in look.conditions.values():
        findings += findings_of(condition)
        findings += replay_findings(condition, before)
        findings += time_findings(condition, look, before)
        findings += lost_findings(condition, look)
        findings += lag_findings(condition, look, before) if before else []
    return findings


def lasting_findings(first: Sequence[Finding], second: Sequence[Finding]) -> list[Finding]:
    """Return the findings of a second look, without those that may be over before a third one."""
    known = {finding.heals for finding in first}
    return [finding for finding in second if not finding.heals or finding.heals in known]


# ── Replays ──────────────────────────────────────────────────────────────────────────────────────


def replay_findings(condition: Condition, before: Look | None) -> list[Finding]:
    """Return the replays. Each is a note, unless it has not advanced since an earlier look."""
    earlier = before.conditions.get(condition.service) if before else None
    findings = []
    for replay in condition.replays:
        advances = earlier is None or replay not in earlier.replays
        findings.append(
            Finding(
                check=condition.service,
                sentence=str(replay) if advances else f"{replay}, and it does not advance",
                command="" if advances else f"the log of {condition.service} says why",
                note=advances,
                heals=f"{replay.name} is replayed",
            )
        )
    return findings


def shards_at_work(condition: Condition) -> list[ShardState]:
    """Return the shards without a replay, which explains why the other ones are behind."""
    replaying = {replay.name for replay in condition.replays}
    return [
        state for state in condition.shards if f"{condition.log}/{state.shard}" not in replaying
    ]


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────


def time_findings(condition: Condition, look: Look, before: Look | None) -> list[Finding]:
    """Return the shards whose time is behind the clock, if the log before them is not."""
    clock = clock_of(look)
    if clock is None:
        return []
    late_us = LATE_SECONDS * 1e6 * look.conditions["intake"].speed
    findings = []
    for state in shards_at_work(condition):
        target = min(
            (each.time for each in source_states(condition, state.shard, look)), default=clock
        )
        if target - state.time > late_us:
            earlier = shard_state(before, condition.service, state.shard) if before else None
            findings.append(time_finding(condition, state, earlier, clock))
    return findings


def time_finding(
    condition: Condition, state: ShardState, earlier: ShardState | None, clock: Instant
) -> Finding:
    """Return that the time of a shard is late. A note if it has advanced since an earlier look."""
    name = f"{condition.log}/{state.shard}"
    late = f"at {rfc3339(state.time)}, {duration(clock - state.time)} behind the clock"
    if earlier and state.time > earlier.time:
        sentence = f"{name} catches up: its time is {late}"
        return Finding(
            check=condition.service, sentence=sentence, note=True, heals=f"{name} is late"
        )
    return Finding(
        check=condition.service,
        sentence=f"the time of {name} does not advance: it is {late}; no deadline passes",
        command=f"does {condition.service} run? gridcall status; its log says why",
        heals=f"{name} is late",
    )


def clock_of(look: Look) -> Instant | None:
    """Return the time of the districts' clock, if the look has it."""
    intake = look.conditions.get("intake")
    return intake.clock if intake else None


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────


def lag_findings(condition: Condition, look: Look, before: Look) -> list[Finding]:
    """Return the shards with inputs that wait. A note if some were applied since `before`."""
    findings = []
    for state in shards_at_work(condition):
        lag = lag_of(condition, state, look)
        if not lag:
            continue
        earlier = shard_state(before, condition.service, state.shard)
        moves = earlier is not None and state.applied > earlier.applied
        findings.append(
            Finding(
                check=condition.service,
                sentence=f"{condition.log}/{state.shard} is {lag:,} behind",
                command="" if moves else f"does {condition.service} run? Its log says why",
                note=moves,
                heals=f"{condition.log}/{state.shard} has a lag",
            )
        )
    return findings


def lost_findings(condition: Condition, look: Look) -> list[Finding]:
    """Return the shards that have applied more inputs than there are: some were lost."""
    findings = []
    for state in condition.shards:
        written = sum(each.position for each in source_states(condition, state.shard, look))
        if 0 < written < state.applied:
            name = f"{condition.log}/{state.shard}"
            logs = " and ".join(SERVICE[condition.service].inputs)
            sentence = f"{name} has applied {state.applied:,} rows of {logs}, which now has"
            findings.append(
                Finding(
                    check=condition.service,
                    sentence=f"{sentence} {written:,}: rows were lost, or restored",
                    command="restore the database of the other one, or: gridcall restore accept",
                    heals=f"{name} is further than its input",
                )
            )
    return findings


def lag_of(condition: Condition, state: ShardState, look: Look) -> int:
    """Return the number of input rows that are written and not applied."""
    return rows_behind(state.time, state.applied, source_states(condition, state.shard, look))


def rows_behind(time: Instant, applied: int, sources: Sequence[LogEnd]) -> int:
    """Return how many rows of its sources a stage has not applied, though it may.

    Rows of merged logs wait until time has passed them in all. In a hold it does not pass. It is
    never negative: a stage may apply rows between the looks at both sides.
    """
    if len(sources) > 1 and time >= min(source.time for source in sources):
        return 0
    return max(0, sum(source.position for source in sources) - applied)


def source_states(condition: Condition, shard: str, look: Look) -> list[ShardState]:
    """Return the shards of the logs that a stage reads; none if one of them is not known."""
    inputs = SERVICE[condition.service].inputs
    states = [shard_state(look, WRITER[log], shard) for log in inputs]
    return [] if None in states else [state for state in states if state]


def shard_state(look: Look, service: str, shard: str) -> ShardState | None:
    """Return a shard of a service, if the look has it."""
    condition = look.conditions.get(service)
    states = condition.shards if condition else ()
    return next((state for state in states if state.shard == shard), None)
