"""The condition of a service: how far its shards are, and what an operator must do about it.

A service reads its own condition from its database and its process. `GET /condition` serves it to
`gridcall doctor`, which examines the conditions of all services together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from events.instants import Instant

DURABLE = {"fsync": ("on",), "full_page_writes": ("on",)}
UNSAFE_COMMIT = "off"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that an operator must know: the check that found it, a sentence, the next command.

    A `note` is no failure. `heals` names what may be over in seconds, such as a change of owner.
    """

    check: str
    sentence: str
    command: str = ""
    note: bool = False
    heals: str = ""


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """A shard of a log. `applied` is the last position of its input that it has applied.

    `owner` is empty while no process has the lease. `halted` is the reason for which this process
    does not go on, empty if it does. `head` is the hash of the chain in hex, if the log has one.
    """

    shard: str
    position: int
    time: Instant
    applied: int
    epoch: int
    owner: str
    halted: str = ""
    head: str = ""


class ParkedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A parked subject: the position of its last parking, and the inputs that wait behind it."""

    shard: str
    position: int
    subject: str
    fault: str
    waiting: int


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A shard whose rows are folded again before it goes on: `folded` of its `rows`.

    `name` is that of the shard's log, or of the screen, and the district: `cases/north`.
    """

    name: str
    folded: int
    rows: int

    @property
    def percent(self) -> int:
        """The part that is folded. It is never 100, because a replay that ended is none."""
        return min(100 * self.folded // max(self.rows, 1), 99)

    def __str__(self) -> str:
        """Return the sentence that operators read."""
        return f"{self.name}: replaying, {self.percent} %"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The condition of one service.

    `log` is the one that it writes, empty if it writes none. A `stage` needs owners.
    `clock` is the districts' time now, if the service knows it, and `speed` how fast it runs.
    `server` has the database's version and settings by name. `missing` names tables and columns.
    """

    service: str
    log: str = ""
    stage: bool = False
    clock: Instant | None = None
    speed: float = 1.0
    server: dict[str, str] = {}
    missing: list[str] = []
    shards: list[ShardState] = []
    replays: list[Replay] = []
    parked: list[ParkedCase] = []
    findings: list[Finding] = []


encode_conditions = msgspec.json.Encoder().encode
decode_conditions = msgspec.json.Decoder(list[Condition]).decode


def findings_of(condition: Condition) -> list[Finding]:
    """Return what is wrong with one service, as far as it shows in that service alone."""
    return [
        *schema_findings(condition),
        *server_findings(condition),
        *owner_findings(condition),
        *parked_findings(condition),
        *condition.findings,
    ]


def schema_findings(condition: Condition) -> list[Finding]:
    """Return the tables and columns that are missing."""
    if not condition.missing:
        return []
    names = ", ".join(condition.missing[:5])
    more = f" and {len(condition.missing) - 5} more" if len(condition.missing) > 5 else ""
    return [
        Finding(
            check=condition.service,
            sentence=f"the database lacks {names}{more}",
            command="the service makes them when it starts; lost ones: restore a backup; "
            "if services have databases of their own: gridcall doctor --services",
        )
    ]


def server_findings(condition: Condition) -> list[Finding]:
    """Return the settings of the database under which an accepted input can be lost."""
    server, wrong = condition.server, []
    for name, safe in DURABLE.items():
        if name in server and server[name] not in safe:
            wrong.append((name, "a crash of the machine can destroy the database"))
    if server.get("synchronous_commit") == UNSAFE_COMMIT:
        wrong.append(("synchronous_commit", "a crash can lose inputs that were accepted"))
    findings = [
        Finding(
            check="database",
            sentence=f"{name} is off in the database of {condition.service}: {harm}",
            command="set it on where it is set: pg_settings.source and .sourcefile name the place",
        )
        for name, harm in wrong
    ]
    if server.get("read_only") == "on":
        sentence = f"the database of {condition.service} is read-only, perhaps a standby"
        command = "name the primary in GRIDCALL_DATABASE_URL"
        findings.append(Finding(check="database", sentence=sentence, command=command))
    if since := server.get("unarchived_since"):
        sentence = (
            f"the log of the database of {condition.service} is not archived since {since}: "
            "no later instant can be restored, and the disk fills"
        )
        command = "see the log of the database, and the store of its backups"
        findings.append(Finding(check="database", sentence=sentence, command=command))
    return findings


def owner_findings(condition: Condition) -> list[Finding]:
    """Return the shards of a stage that nobody works on, or whose owner has halted."""
    findings = []
    for state in condition.shards if condition.stage else ():
        name = f"{condition.log}/{state.shard}"
        if state.halted:
            sentence = f"{name} is halted: {state.halted}"
            findings.append(Finding(check=condition.service, sentence=sentence))
        elif not state.owner:
            findings.append(
                Finding(
                    check=condition.service,
                    sentence=f"{name} has no owner: nothing is decided in it",
                    command=f"start {condition.service}: gridcall up, or gridcall "
                    f"{condition.service}",
                    heals=f"{name} has no owner",
                )
            )
    return findings


def parked_findings(condition: Condition) -> list[Finding]:
    """Return the shards that have parked cases."""
    counts: dict[str, tuple[int, int]] = {}
    for case in condition.parked:
        cases, inputs = counts.get(case.shard, (0, 0))
        counts[case.shard] = cases + 1, inputs + case.waiting
    return [
        Finding(
            check=condition.service,
            sentence=f"{condition.log}/{shard} has {count(cases, 'parked case')}, "
            f"with {count(inputs, 'waiting input')}",
            command="gridcall parked; after the fix: gridcall retry CASE",
        )
        for shard, (cases, inputs) in counts.items()
    ]


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which gets an s if it is not one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def summary_of(condition: Condition) -> str:
    """Return one line about a service in which nothing is wrong."""
    shards = count(len(condition.shards), "district")
    owners = sorted({state.owner for state in condition.shards if state.owner})
    return f"{shards}, owned by {', '.join(owners)}" if owners else shards


def server_summary(server: Mapping[str, str]) -> str:
    """Return the version and the settings of a database."""
    settings = ", ".join(
        f"{name} {server[name]}" for name in ("fsync", "synchronous_commit") if name in server
    )
    return f"Postgres {server.get('server_version', 'of an unknown version')}, {settings}"


def with_process(
    condition: Condition,
    applied: Mapping[str, int],
    halted: Mapping[str, str],
    replays: Iterable[Replay] = (),
) -> Condition:
    """Return the condition with what a process knows better: inputs applied, rows replayed, and
    why it halted.
    """
    shards = [
        msgspec.structs.replace(
            state,
            applied=applied.get(state.shard, state.applied),
            halted=halted.get(state.shard, ""),
        )
        for state in condition.shards
    ]
    known = {each.name: each for each in (*condition.replays, *replays)}
    return amend(condition, shards=shards, replays=list(known.values()))


def amend(condition: Condition, **changes: Any) -> Condition:
    """Return a condition with other values of some fields."""
    return msgspec.structs.replace(condition, **changes)
