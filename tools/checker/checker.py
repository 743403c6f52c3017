"""Checks guarantees 1, 2, 3, 5 and 8 from what clients were told and from the raw tables, with none of gridcall's code.

    python tools/checker/checker.py --database URL [--apart routing=URL] --receipts FILE [--json]

It reads one state of the database, district by district, row by row. A district is at rest when it is checked: nobody posts,
and the stages have caught up. Exit code 0: nothing was found; 1: something was; 2: it could not be checked.

A receipt is a JSON object, one a line, for each item that was answered: district, kind (issue or action), source, line (of an
issue), reference, status, id, pos.
"""

import argparse
import asyncio
import json
import sys
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

Receipt = dict[str, Any]

SCHEMAS = {
    "intake": "intake",
    "cases": "routing",
    "calls": "escalation",
}  # Each log, and whose it is.
SOURCE = {
    "cases": "intake",
    "calls": "cases",
}  # Each log of a stage, and the log that the stage reads.
REFERENCE = "reference"  # The subject of reference data.
ABOVE = {"grid": "street", "street": "district", "district": "district"}
BEGINNING = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z: no time has passed.
SHOWN = 20  # Of each kind.
PREFETCH = 2000
SETTINGS = {
    "idle_in_transaction_session_timeout": "0",  # A database may bound this; ours is idle while we think.
    "enable_seqscan": "off",  # Of a fresh table Postgres would rather read all for each district than use its index.
    "enable_bitmapscan": "off",
}

KINDS = {  # Each kind of violation, and the guarantee that it violates.
    "identity": 1,  # An id is not the digest of what it names.
    "lost": 1,  # Accepted, and not in the log.
    "twice": 1,  # In the log more than once.
    "position": 1,  # The clients were told another position.
    "refused": 1,  # Refused, and in the log.
    "outcome": 1,  # An input has none, or two.
    "case": 1,  # An issue has no case, or two; or a case has no issue.
    "state": 2,  # A case is nowhere, or in two places.
    "gap": 3,  # Positions do not follow each other.
    "head": 3,  # The shard's row tells of another last position than its log.
    "time": 3,  # Time goes back, or is not the cause's.
    "sequence": 3,  # A subject's rows are not numbered 1 to n.
    "step": 3,  # The rows of a decision do not belong together.
    "input": 3,  # The input applied goes back, or is not there.
    "cause": 3,  # A cause is not there.
    "subject": 3,  # A row is filed under another subject than it tells of.
    "unreadable": 3,  # A row lacks what its type has, or has a type that is not known here.
    "deadline": 5,  # Missed too early, too late, or not at all.
    "clock": 5,  # It was not started, or not stopped.
    "call": 5,  # Not one call at the level of a missed deadline, or one that nothing raised.
    "silence": 5,  # Not one call where a street was silent, or one where it was not.
    "ending": 5,  # A call ended by something else, twice, or not at all.
    "lag": 8,  # A stage has not applied all that it reads.
    "ahead": 8,  # A stage is further in time than what it reads.
}


class Violation(NamedTuple):
    """A guarantee that does not hold: its kind, and a sentence with ids."""

    kind: str
    sentence: str


@dataclass(slots=True)
class Report:
    """What was read, and what was found."""

    receipts: int = 0
    rows: int = 0
    violations: list[Violation] = field(default_factory=list)

    def say(self, kind: str, sentence: str) -> None:
        assert kind in KINDS
        self.violations.append(Violation(kind, sentence))


# ── What clients were told ───────────────────────────────────────────────────────────────────────────────────────────────

ACCEPTED = (200, 202)  # 200: a repeat, answered with the first answer.
CONFLICT = 409  # Its reference is in the log already, with another body.
NOT_NOW = (408, 425, 429)  # Nothing was said about the item itself.


@dataclass(slots=True)
class Told:
    """What clients were told of one identity. What was refused once may be accepted later, with a better body."""

    accepted: bool = False
    conflict: bool = False
    refused: int = 0
    pos: int | None = None
    found: bool = False


def told_by_shard(receipts: Iterable[Receipt], report: Report) -> dict[str, dict[str, Told]]:
    """What clients were told, by district and identity."""
    shards: dict[str, dict[str, Told]] = {}
    for receipt in receipts:
        report.receipts += 1
        if name := identified(receipt, report):
            told = shards.setdefault(receipt["district"], {}).setdefault(name, Told())
            tell(told, name, receipt, report)
    return shards


def identified(receipt: Receipt, report: Report) -> str | None:
    """The identity that a receipt is about; None where its item was too malformed to have one."""
    parts = (
        ("source", "line", "reference") if receipt["kind"] == "issue" else ("source", "reference")
    )
    name, words = receipt.get("id"), [receipt["district"], *(receipt.get(part) for part in parts)]
    digest = identity(words) if all(isinstance(word, str) for word in words) else None
    if (name or receipt["status"] in ACCEPTED) and name != digest:
        report.say(
            "identity", f"{receipt['district']}: the answer names {name}, but {words} are {digest}"
        )
    return name or digest


def identity(words: Sequence[str]) -> str:
    """The first 32 hex digits of SHA-256 over a JSON array in UTF-8, without spaces."""
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def tell(told: Told, name: str, receipt: Receipt, report: Report) -> None:
    """Add one answer to what was told of an identity."""
    status = receipt["status"]
    told.conflict |= status == CONFLICT
    if 400 <= status < 500 and status != CONFLICT and status not in NOT_NOW:
        told.refused = status
    if status in ACCEPTED:
        tell_position(told, name, receipt, report)


def tell_position(told: Told, name: str, receipt: Receipt, report: Report) -> None:
    """All answers about an accepted input name one position."""
    pos = receipt.get("pos")
    if pos is None or (told.accepted and pos != told.pos):
        before = f", but was answered with {told.pos} before" if told.accepted else ""
        report.say(
            "position",
            f"{receipt['district']}: {name} was answered {receipt['status']} with position {pos}{before}",
        )
    told.pos = told.pos if told.accepted else pos
    told.accepted = True


# ── The tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Unreadable(Exception):
    """A row lacks something that events of its type have."""


class Row(NamedTuple):
    """A row of a log. `kind` is its type without prefix and version; `data` are its fields, None where they are no JSON."""

    log: str
    shard: str
    pos: int
    ts: int
    input: int
    n: int
    subject: str
    seq: int
    cause: str
    kind: str
    data: Any

    @property
    def name(self) -> str:
        return f"{self.log}/{self.shard}/{self.pos}"

    def field(self, *path: str) -> Any:
        value = self.data
        for part in path:
            if not isinstance(value, dict) or part not in value:
                raise Unreadable(f"{self.name} ({self.kind}) has no {'.'.join(path)}")
            value = value[part]
        return value

    def text(self, *path: str) -> str:
        if not isinstance(value := self.field(*path), str):
            raise Unreadable(f"{self.name}: {'.'.join(path)} is {value!r}, and no text")
        return value

    def instant(self, *path: str) -> int | None:
        if (value := self.field(*path)) is not None and type(value) is not int:
            raise Unreadable(f"{self.name}: {'.'.join(path)} is {value!r}, and no whole number")
        return value

    def number(self, *path: str) -> int:
        if (value := self.instant(*path)) is None:
            raise Unreadable(f"{self.name}: {'.'.join(path)} is null")
        return value


class Head(NamedTuple):
    """A shard's row: its last position, how far time has passed, and the last input that was applied."""

    pos: int = 0
    ts: int = BEGINNING
    input: int = 0


@cache
def kind_of(type_name: str) -> str:
    """`case-routed` of `gridcall.case-routed.v1`."""
    prefix, _, rest = type_name.partition(".")
    kind, _, version = rest.rpartition(".")
    return kind if prefix == "gridcall" and version == "v1" else type_name


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


class Tables:
    """The logs and shards of the three services, each in one state of its database."""

    def __init__(self, connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"]) -> None:
        self._connections = connections

    async def shards(self) -> set[str]:
        found: set[str] = set()
        for schema, connection in self._connections.items():
            records = await connection.fetch(
                f"SELECT shard FROM {schema}.shard UNION SELECT shard FROM {schema}.log"
            )
            found |= {record["shard"] for record in records}
        return found

    async def head(self, log: str, shard: str) -> Head | None:
        query = f"SELECT pos, ts, input FROM {SCHEMAS[log]}.shard WHERE shard = $1"
        record = await self._connections[SCHEMAS[log]].fetchrow(query, shard)
        return Head(record["pos"], record["ts"], record["input"]) if record else None

    async def rows(self, log: str, shard: str) -> AsyncIterator[Row]:
        query = (
            "SELECT pos, ts, input, n, subject, seq, cause, type, data "
            f"FROM {SCHEMAS[log]}.log WHERE shard = $1 ORDER BY pos"
        )
        async for record in self._connections[SCHEMAS[log]].cursor(query, shard, prefetch=PREFETCH):
            *columns, type_name, data = record
            yield Row._make((log, shard, *columns, kind_of(type_name), parsed(data)))


# ── The order of one log (guarantee 3) ───────────────────────────────────────────────────────────────────────────────────


class Past:
    """What a log's readers are measured by: the time of each position, and where decisions begin."""

    def __init__(self) -> None:
        self.ts: dict[int, int] = {}
        self.last = 0
        self._begins = array("q")
        self._begins_ts = array("q")

    def take(self, row: Row) -> None:
        self.ts[row.pos] = row.ts
        self.last = row.pos
        if row.n == 1:
            self._begins.append(row.pos)
            self._begins_ts.append(row.ts)

    def passed(self, since: int, due: int) -> int | None:
        """The first position after `since` that let time pass beyond `due`. Only a decision's first row does."""
        i = max(bisect_right(self._begins, since), bisect_right(self._begins_ts, due))
        return self._begins[i] if i < len(self._begins) else None


def caused_by(row: Row) -> int | None:
    """The position in the log before it that a row names as its cause; None where it names something else."""
    prefix = f"{SOURCE.get(row.log)}/{row.shard}/"
    number = row.cause.removeprefix(prefix)
    return int(number) if row.cause.startswith(prefix) and number.isdecimal() else None


class Order:
    """Positions, times, sequences, steps, inputs and causes of one log of one shard, row by row."""

    def __init__(self, log: str, shard: str, source: Past | None, report: Report) -> None:
        self.past = Past()
        self._name = f"{log}/{shard}"
        self._source = source
        self._report = report
        self._sequences: dict[str, int] = {}
        self._decided = 0  # The last input that a decision names as its cause.
        self._before: Row | None = None

    def take(self, row: Row) -> None:
        self._follows(row)
        self._sequence(row)
        self._step(row)
        if self._source is None:
            self._comes_from_outside(row)
        else:
            self._input(row, self._source)
            self._cause(row, self._source)
        self.past.take(row)
        self._before = row

    def _follows(self, row: Row) -> None:
        before = self._before
        last = before.pos if before else 0
        if row.pos != last + 1:
            self._report.say("gap", f"{row.name} follows position {last}")
        if before and row.ts < before.ts:
            self._report.say(
                "time", f"{row.name} is at {row.ts}, {before.name} before it at {before.ts}"
            )

    def _sequence(self, row: Row) -> None:
        last = self._sequences.get(row.subject, 0)
        if row.seq != last + 1:
            self._report.say(
                "sequence", f"{row.name} is number {row.seq} of {row.subject}, after number {last}"
            )
        self._sequences[row.subject] = row.seq

    def _step(self, row: Row) -> None:
        before = self._before
        if row.n == 1:
            return
        if before is None or row.n != before.n + 1:
            self._report.say(
                "step", f"{row.name} is step {row.n}, after step {before.n if before else 0}"
            )
        elif decision(row) != decision(before):
            self._report.say(
                "step",
                f"{row.name} goes on after {before.name}, with another input, cause, time or subject",
            )

    def _comes_from_outside(self, row: Row) -> None:
        if row.n != 1:
            self._report.say(
                "step", f"{row.name} is step {row.n}, but what comes in is a decision of its own"
            )
        if row.cause:
            self._report.say(
                "cause", f"{row.name} names {row.cause} as its cause, but came from outside"
            )
        if row.input:
            self._report.say(
                "input", f"{row.name} names input {row.input}, but intake reads no log"
            )

    def _input(self, row: Row, source: Past) -> None:
        before = self._before.input if self._before else 0
        if row.input < before:
            self._report.say(
                "input",
                f"{row.name} was made after input {row.input}, the row before it after {before}",
            )
        if row.input > source.last:
            self._report.say(
                "input",
                f"{row.name} was made after input {row.input}, but the last one is {source.last}",
            )

    def _cause(self, row: Row, source: Past) -> None:
        if row.cause.startswith("clock/"):
            return
        pos = caused_by(row)
        if pos is None or pos not in source.ts:
            self._report.say(
                "cause", f"{row.name} names {row.cause!r} as its cause, which is not there"
            )
            return
        if pos != row.input:
            self._report.say(
                "input", f"{row.name} was made after input {row.input}, because of {row.cause}"
            )
        if row.n == 1:
            self._decision(row, pos, source)

    def _decision(self, row: Row, pos: int, source: Past) -> None:
        if row.ts != source.ts[pos]:
            self._report.say(
                "time", f"{row.name} is at {row.ts}, its cause {row.cause} at {source.ts[pos]}"
            )
        if pos <= self._decided:
            self._report.say("outcome", f"{row.name} decides {row.cause} again")
        self._decided = max(pos, self._decided)

    def close(self, head: Head | None) -> None:
        pos, ts, _ = head or Head()
        if pos != self.past.last:
            said = f"its shard's row says {pos}" if head else "its shard has no row"
            self._report.say("head", f"{self._name} ends at position {self.past.last}; {said}")
        if head and self._before and ts < self._before.ts:
            self._report.say(
                "time", f"{self._before.name} is at {self._before.ts}; its shard's row says {ts}"
            )


def decision(row: Row) -> tuple[int, str, int, str]:
    """What the rows of one decision have in common."""
    return row.input, row.cause, row.ts, row.subject


# ── The door (guarantee 1) ───────────────────────────────────────────────────────────────────────────────────────────────


class Input(NamedTuple):
    """An accepted input: its kind, the issue that it is about, and the call, if it is about one."""

    kind: str
    issue: str
    call: str | None


class Door:
    """Intake's log of one shard, held against what clients were told."""

    def __init__(self, shard: str, told: dict[str, Told], report: Report) -> None:
        self.inputs: dict[int, Input] = {}
        self.issues: dict[str, int] = {}
        self._shard = shard
        self._told = told
        self._report = report
        self._seen: set[str] = set()

    def take(self, row: Row) -> None:
        if row.kind == "reference-adopted":
            self.inputs[row.pos] = Input(row.kind, REFERENCE, None)
            return
        call = row.text("call") if row.kind in ("acknowledgement-given", "answer-given") else None
        self.inputs[row.pos] = Input(row.kind, row.text("issue"), call)
        self._once(row)

    def _once(self, row: Row) -> None:
        if row.subject in self._seen:
            self._report.say("twice", f"{row.name} has {row.subject}, which is in the log before")
            return
        self._seen.add(row.subject)
        if told := self._told.get(row.subject):
            self._compare(row, told)
        self._identity(row)

    def _compare(self, row: Row, told: Told) -> None:
        told.found = True
        if told.accepted and told.pos != row.pos:
            self._report.say(
                "position",
                f"{row.name} has {row.subject}, which was answered with position {told.pos}",
            )
        if told.refused and not told.accepted and not told.conflict:
            self._report.say(
                "refused", f"{row.name} has {row.subject}, which was refused with {told.refused}"
            )

    def _identity(self, row: Row) -> None:
        if row.kind == "issue-reported":
            self.issues[row.subject] = row.pos
            words = [self._shard, *(row.text(part) for part in ("source", "line", "reference"))]
            if row.subject != identity(words):
                self._report.say(
                    "identity", f"{row.name} has {row.subject}, but {words} are {identity(words)}"
                )
        named = row.text("issue" if row.kind == "issue-reported" else "action")
        if row.subject != named:
            self._report.say(
                "subject", f"{row.name} is filed under {row.subject}, and tells of {named}"
            )

    def close(self) -> None:
        for name, told in self._told.items():
            if told.found or not (told.accepted or told.conflict):
                continue
            said = (
                f"accepted as position {told.pos}"
                if told.accepted
                else f"answered {CONFLICT}, as if it came before"
            )
            self._report.say(
                "lost", f"{self._shard}: {name} was {said}, and is not in intake's log"
            )


# ── The cases (guarantees 1 and 2) ───────────────────────────────────────────────────────────────────────────────────────

PLACED = {"case-routed": "open", "case-withheld": "open", "case-queued": "queued"}
GOES_ON = ("case-visited", "case-resolved", "case-verified", "resolution-rejected")
CALL_ACTIONS = ("acknowledgement-passed-on", "answer-passed-on")
HOLDS = (*PLACED, "case-reopened")  # Somebody has the case from now on.
MATTER = ("line", "category", "urgency")
ENDED = ("case-closed", "case-withdrawn", "case-ended-at-source")
RETRY = "retry-passed-on"
HEARD = (*HOLDS, *ENDED, *CALL_ACTIONS, RETRY, "policies-adopted")  # By escalation.
OUTCOMES = {  # What may become of each input, beside WAITING.
    "reference-adopted": ("reference-adopted", "policies-adopted", "roster-adopted"),
    "issue-reported": ("case-reported",),
    "place-named": ("input-declined", *PLACED),
    "visit-made": ("input-declined", "case-visited"),
    "resolution-claimed": ("input-declined", "case-resolved"),
    "resolution-checked": ("input-declined", "case-verified", "resolution-rejected"),
    "closing-asked": ("input-declined", "case-closed"),
    "reopening-asked": ("input-declined", "case-reopened"),
    "issue-withdrawn": ("input-declined", "case-withdrawn"),
    "ended-at-source": ("input-declined", "case-ended-at-source"),
    "acknowledgement-given": ("acknowledgement-passed-on",),
    "answer-given": ("answer-passed-on",),
    "retry-asked": ("input-declined", "case-retried", "retry-passed-on"),
}
WAITING = ("action-waits", "case-parked", "input-held")
STANDING = ("open", "queued")
PLACES = (*STANDING, "closed", "withdrawn", "parked")  # Where an accepted issue can be.


@dataclass(slots=True)
class Life:
    """Where a case is, where it was before it ended or was parked, and how many actions wait for its report.

    `retried`: the decision that is read now decides what was held behind it.
    """

    state: str = "unheard"
    before: str = ""
    parked: str = ""
    waiting: int = 0
    retried: bool = False


class Policies(NamedTuple):
    """What counts of policies here: how long a call may stay unanswered, and which matters have a deadline."""

    name: str | None = None
    within: int | None = None
    limits: tuple[tuple[str, ...], ...] = ()

    def limit(self, matter: tuple[str, ...]) -> bool:
        return any(
            all(row in ("*", of) for row, of in zip(limit, matter, strict=True))
            for limit in self.limits
        )


class Heard(NamedTuple):
    """A row of `cases` that concerns clocks or calls.

    `call` is what an action is about; `level` who has the case from now on, `due` until when the line promised it, and
    `matter` what else a deadline depends on: line, category and urgency.
    """

    pos: int
    kind: str
    case: str
    call: str | None = None
    level: str | None = None
    due: int | None = None
    matter: tuple[str, ...] = ()
    policies: Policies | None = None


class Cases:
    """Routing's log of one shard: an outcome for each input, a case for each issue, a state for each case."""

    def __init__(self, shard: str, door: Door, report: Report) -> None:
        self.heard: list[Heard] = []
        self._shard = shard
        self._inputs = door.inputs
        self._issues = door.issues
        self._report = report
        self._answered: set[int] = set()
        self._opened: dict[str, str] = {}
        self._lives: dict[str, Life] = {}

    def take(self, row: Row) -> None:
        pos = caused_by(row)
        if pos is not None and row.n == 1:
            self._answered.add(pos)
            self._outcome(row, self._inputs.get(pos))
        if row.subject != REFERENCE:
            self._live(row, row.text("issue" if row.kind == "action-waits" else "case"))
        if row.kind in HEARD:
            self.heard.append(heard(row))

    def _outcome(self, row: Row, given: Input | None) -> None:
        """A decision's first row is the outcome of its cause: of that kind, about that issue and call."""
        if given is None:
            return
        if given.kind not in OUTCOMES:
            raise Unreadable(f"{row.cause} has a type that this check does not know: {given.kind}")
        if row.kind not in (*OUTCOMES[given.kind], *WAITING):
            self._report.say(
                "outcome", f"{row.name} ({row.kind}) is no outcome of {row.cause} ({given.kind})"
            )
        if row.subject != given.issue:
            self._report.say(
                "outcome",
                f"{row.name} is about {row.subject}, but {row.cause} is about {given.issue}",
            )
        if row.kind in CALL_ACTIONS and row.text("call") != given.call:
            self._report.say(
                "outcome",
                f"{row.name} is about call {row.text('call')}, but {row.cause} about {given.call}",
            )

    def _open(self, row: Row, case: str) -> None:
        issue = row.text("issue")
        if issue not in self._issues or (
            self._issues[issue] != caused_by(row) and not self._lives[case].retried
        ):
            self._report.say(
                "case",
                f"{row.name} opens case {case} for issue {issue}, because of {row.cause}, which is not it",
            )
        if issue in self._opened:
            self._report.say(
                "case",
                f"{row.name} opens case {case} for issue {issue}, which has case {self._opened[issue]}",
            )
        self._opened[issue] = case

    def _live(self, row: Row, case: str) -> None:
        if row.subject != case:
            self._report.say(
                "subject", f"{row.name} is filed under {row.subject}, and tells of case {case}"
            )
        life = self._lives.setdefault(case, Life())
        if row.n == 1:
            life.retried = row.kind == "case-retried"
        if row.kind == "case-reported":
            self._open(row, case)
        if row.kind == "action-waits":
            life.waiting += 1
        elif life.retried:
            life.waiting = life.waiting if row.kind != "case-reported" else 0
        elif row.n > 2:  # The report, its place, then what waited.
            life.waiting = max(0, life.waiting - 1)
        self._move(row, life, case)

    def _move(self, row: Row, life: Life, case: str) -> None:
        given = self._inputs.get(caused_by(row) or 0)
        again = (
            row.kind == "case-parked"
            and life.state == "parked"
            and given is not None
            and given.kind == "retry-asked"
        )
        state = "parked" if again else next_state(life, row)
        if state is None:
            self._report.say(
                "state", f"{row.name} ({row.kind}) is about case {case}, which is {life.state}"
            )
            return
        if life.state in STANDING:
            life.before = life.state
        if row.kind == "case-parked" and not again:
            life.parked = life.state
        life.state = state

    def close(self, inputs: Iterable[int]) -> None:
        for pos in inputs:
            if pos not in self._answered:
                self._report.say("outcome", f"intake/{self._shard}/{pos} has no outcome in cases")
        for issue, pos in self._issues.items():
            if issue not in self._opened and self._lives.get(issue, Life()).state != "parked":
                self._report.say(
                    "case", f"intake/{self._shard}/{pos} reported issue {issue}, which has no case"
                )
        for case, life in self._lives.items():
            if life.waiting and life.state not in ("unheard", "parked"):
                self._report.say(
                    "outcome",
                    f"{self._shard}: {life.waiting} actions that waited for case {case} have no outcome",
                )
            if life.state not in (*PLACES, "unheard"):
                self._report.say(
                    "state",
                    f"{self._shard}: case {case} is {life.state}, and in none of {', '.join(PLACES)}",
                )


def heard(row: Row) -> Heard:
    if row.kind == "policies-adopted":
        return Heard(row.pos, row.kind, REFERENCE, policies=policies_of(row))
    if row.kind in CALL_ACTIONS:
        return Heard(row.pos, row.kind, row.subject, call=row.text("call"))
    if row.kind in (*ENDED, RETRY):
        return Heard(row.pos, row.kind, row.subject)
    matter = tuple(row.text("matter", key) for key in MATTER)
    return Heard(
        row.pos,
        row.kind,
        row.subject,
        None,
        row.text("holder", "level"),
        row.instant("matter", "due"),
        matter,
    )


def policies_of(row: Row) -> Policies:
    try:
        limits = tuple(tuple(limit[key] for key in MATTER) for limit in row.field("limits"))
    except (KeyError, TypeError) as fault:
        raise Unreadable(f"{row.name} has limits that are none: {fault}") from fault
    return Policies(row.text("name"), row.instant("answer_within"), limits)


def next_state(life: Life, row: Row) -> str | None:
    """Where a case is after one more row; None where it cannot go there, for then it would be in two places."""
    state = life.state
    match row.kind:
        case "case-parked" | "input-held":
            return "parked" if (state == "parked") == (row.kind == "input-held") else None
        case "case-retried":
            return life.parked if state == "parked" else None
        case _ if state == "parked":
            return None
        case "case-reported":
            return "reported" if state == "unheard" else None
        case "case-reopened":
            return life.before if state == "closed" else None
        case "action-waits":
            return state if state == "unheard" else None
        case "input-declined":
            return state
        case kind if kind in (*CALL_ACTIONS, RETRY):
            return state if state != "unheard" else None
        case kind if kind in PLACED:
            return PLACED[kind] if state in (*STANDING, "reported") else None
        case kind if kind in GOES_ON:
            return state if state == "open" else None
        case kind if kind in ENDED:
            return ended_as(row) if state in STANDING else None
    raise Unreadable(f"{row.name} has a type that this check does not know: {row.kind}")


def ended_as(row: Row) -> str:
    known = {"case-closed": "closed", "case-withdrawn": "withdrawn"}
    return known.get(row.kind) or row.text("outcome")


def fits(held: Heard, row: Row) -> bool:
    """Whether a row of `calls` can follow from what was held."""
    if held.kind in CALL_ACTIONS:
        return row.kind.startswith("call-") and row.text("call") == held.call
    return row.kind in (
        ("clock-stopped", "call-withdrawn")
        if held.kind in ENDED
        else ("clock-started", "clock-handed-over")
    )


# ── Clocks and calls (guarantee 5) ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Open:
    """An open call: to which level, until when it should be answered, and the input after which it was raised."""

    to: str
    due: int | None
    since: int
    silent: bool = False


@dataclass(slots=True)
class Watch:
    """A case as the keeper of the calls sees it: `watched` from its clock's start to its case's end.

    While it is parked, `held` is what waits behind it.
    """

    run: int = 0
    due: int = 0
    since: int = 0
    level: str = ""
    watched: bool = False
    missed: bool = False
    ended: bool = False
    parked: bool = False
    raised: int = 0
    calls: dict[str, Open] = field(default_factory=dict)
    held: list[Heard] = field(default_factory=list)


class Calls:
    """Escalation's log of one shard, decision by decision, beside what it heard of `cases` until then.

    A clock fires before the first input that lets time pass beyond its due time, after whatever came before that. So the input
    of a fired decision is known, and with it whether an answer, or the end of its case, came first.
    """

    def __init__(self, shard: str, heard: list[Heard], past: Past, report: Report) -> None:
        self._shard = shard
        self._heard: Iterator[Heard] = iter(heard)
        self._next = next(self._heard, None)
        self._now: Heard | None = None  # What was heard last, until it is settled.
        self._decided = False
        self._past = past
        self._report = report
        self._ts: int | None = None  # The time of the last decision.
        self._policies = Policies()
        self._watches: dict[str, Watch] = {}

    def take(self, rows: list[Row]) -> None:
        """Take the rows of the next decision."""
        self._listen(rows[0].input)
        try:
            if rows[0].subject == REFERENCE:
                self._cause(rows[0])
            else:
                self._take(rows)
        finally:
            self._ts = rows[-1].ts

    def _take(self, rows: list[Row]) -> None:
        case = rows[0].subject
        for row in rows:
            if row.text("case") != case:
                self._report.say(
                    "subject",
                    f"{row.name} is filed under {case}, and tells of case {row.text('case')}",
                )
        watch = self._watches.setdefault(case, Watch())
        if rows[0].cause.startswith("clock/"):
            self._settle()
            self._fired(rows, watch)
        else:
            self._overdue(case, watch, Head(input=rows[0].input))
            if rows[0].kind == "case-retried":
                self._retried(rows, watch)
                return
            for row in rows:
                self._answer(row, watch, self._cause(row))

    # What was heard, and what must follow from it

    def _listen(self, until: int) -> None:
        """Hear the rows of `cases` up to a position. Each is settled before the next."""
        while self._next and self._next.pos <= until:
            self._settle()
            self._now, self._decided = self._next, False
            self._hear(self._now)
            self._next = next(self._heard, None)

    def _hear(self, now: Heard) -> None:
        watch = self._watches.setdefault(now.case, Watch())
        watch.ended = now.kind in ENDED or (watch.ended and now.kind != "case-reopened")
        self._policies = now.policies or self._policies

    def _cause(self, row: Row) -> Heard | None:
        """What was heard last, if this row follows from it."""
        now = self._now
        if now is None or now.case != row.subject or now.pos != caused_by(row):
            return None
        self._decided = True
        return now

    def _settle(self) -> None:
        """Nothing more follows from what was heard last: what should have followed has."""
        now, self._now = self._now, None
        if now is None:
            return
        watch, name = self._watches[now.case], f"cases/{self._shard}/{now.pos}"
        if watch.parked:
            self._settle_parked(name)
        elif now.kind in ENDED:
            self._settle_ending(watch, name)
        elif now.kind in CALL_ACTIONS:
            self._settle_action(watch, now, name)
        elif not self._decided and self._concerns(now, watch):
            self._report.say(
                "clock",
                f"{name} ({now.kind}) is about {now.case}, and nothing follows from it in calls",
            )

    def _concerns(self, now: Heard, watch: Watch) -> bool:
        """Whether escalation must act on policies, or on a case that somebody has from now on."""
        return (
            now.kind == RETRY
            or watch.watched
            or now.due is not None
            or now.policies is not None
            or self._policies.limit(now.matter)
        )

    def _settle_parked(self, name: str) -> None:
        if not self._decided:
            self._report.say("clock", f"{name} is about a case that was parked, and was not held")

    def _settle_ending(self, watch: Watch, name: str) -> None:
        if watch.watched:
            self._report.say(
                "clock", f"{name} ended its case, and its clock {watch.run} was not stopped"
            )
        for call in watch.calls:
            self._report.say("ending", f"{name} ended its case, and call {call} is open")
        watch.watched = False
        watch.calls.clear()

    def _settle_action(self, watch: Watch, now: Heard, name: str) -> None:
        if not self._decided:
            self._report.say(
                "ending", f"{name} is about call {now.call}, and has no outcome in calls"
            )
        elif now.kind == "answer-passed-on" and now.call in watch.calls:
            self._report.say("ending", f"{name} answers call {now.call}, which is still open")

    # What follows from a row of `cases`

    def _answer(self, row: Row, watch: Watch, cause: Heard | None) -> None:
        again = row.kind == "case-retried" or (
            row.kind == "case-parked" and cause is not None and cause.kind == RETRY
        )
        if watch.parked != (again or row.kind == "input-held"):
            parked = "is parked" if watch.parked else "is not parked"
            self._report.say(
                "clock", f"{row.name} ({row.kind}) is about case {row.subject}, which {parked}"
            )
        match row.kind:
            case "clock-started":
                self._start(row, watch, cause)
            case "clock-handed-over":
                self._running(row, watch, cause, PLACED)
                self._hold(row, watch, cause)
            case "clock-stopped":
                self._running(row, watch, cause, ENDED)
                watch.watched = False
            case "call-answered":
                self._end(
                    row,
                    watch,
                    cause is not None
                    and (cause.kind, cause.call) == ("answer-passed-on", row.text("call")),
                )
            case "call-withdrawn":
                self._end(row, watch, cause is not None and cause.kind in ENDED)
            case "case-parked" | "input-held":
                watch.parked = True
                if cause and cause.kind != RETRY:
                    watch.held.append(cause)
            case "case-retried":
                self._retry(row, watch, cause)
            case "deadline-missed" | "call-raised":
                kind = "call" if row.kind == "call-raised" else "deadline"
                self._report.say(
                    kind, f"{row.name} ({row.kind}) follows from {row.cause}, which is no clock"
                )
            case kind if kind not in (
                "call-acknowledged",
                "call-action-declined",
                "input-declined",
            ):
                raise Unreadable(f"{row.name} has a type that this check does not know: {kind}")

    def _retry(self, row: Row, watch: Watch, cause: Heard | None) -> None:
        """From here on its clocks run again: what ran out meanwhile fires as soon as time passes."""
        if cause is None or cause.kind != RETRY:
            self._report.say(
                "clock", f"{row.name} retries case {row.subject}; {row.cause} does not ask for it"
            )
        watch.parked, watch.since = False, row.input
        for call in watch.calls.values():
            call.since = row.input

    def _retried(self, rows: list[Row], watch: Watch) -> None:
        """What was held is settled in one decision, in its order: each row follows from the next that it fits."""
        left, settled = list(watch.held), set[int]()
        self._answer(rows[0], watch, self._cause(rows[0]))
        for row in rows[1:]:
            left = left[next((i for i, held in enumerate(left) if fits(held, row)), len(left)) :]
            settled.update(held.pos for held in left[:1])
            self._answer(row, watch, left[0] if left else None)
        for held in watch.held:
            ended = held.kind in ENDED
            if held.pos not in settled and (
                watch.watched if ended else held.kind in CALL_ACTIONS or self._concerns(held, watch)
            ):
                self._report.say(
                    "clock",
                    f"{rows[0].name} retries case {held.case}, and nothing follows from cases {held.pos}",
                )
        watch.held.clear()

    def _start(self, row: Row, watch: Watch, cause: Heard | None) -> None:
        run, due = row.number("run"), row.number("due")
        if watch.watched or run != watch.run + 1:
            self._report.say(
                "clock",
                f"{row.name} starts clock {run} of case {row.subject}, after clock {watch.run}",
            )
        if cause and cause.due not in (None, due):
            self._report.say(
                "clock",
                f"{row.name} starts a clock until {due}, but {row.cause} promised {cause.due}",
            )
        if row.field("policies") != self._policies.name:
            self._report.say(
                "clock",
                f"{row.name} starts a clock by {row.field('policies')}, not by {self._policies.name}",
            )
        watch.run, watch.due, watch.since = run, due, row.input
        watch.watched, watch.missed = True, False
        self._hold(row, watch, cause)

    def _hold(self, row: Row, watch: Watch, cause: Heard | None) -> None:
        watch.level = row.text("holder", "level")
        if cause is None or cause.level != watch.level:
            self._report.say(
                "clock",
                f"{row.name} runs for the {watch.level}, but {row.cause} did not give it the case",
            )

    def _running(
        self, row: Row, watch: Watch, cause: Heard | None, because: Collection[str]
    ) -> None:
        """The row is about the clock that runs, and follows from what may concern it."""
        if not watch.watched or (row.number("run"), row.number("due")) != (watch.run, watch.due):
            self._report.say(
                "clock",
                f"{row.name} ({row.kind}) is about clock {row.number('run')} of case {row.subject}, which does not run",
            )
        if cause is None or cause.kind not in because:
            self._report.say(
                "clock",
                f"{row.name} ({row.kind}) follows from {row.cause}, which does nothing to a clock",
            )

    def _end(self, row: Row, watch: Watch, because: bool) -> None:
        call = row.text("call")
        if watch.calls.pop(call, None) is None:
            self._report.say(
                "ending", f"{row.name} ({row.kind}) ends call {call}, which is not open"
            )
        if not because:
            self._report.say(
                "ending", f"{row.name} ({row.kind}) ends call {call}; {row.cause} does not"
            )

    # What follows from a clock

    def _fired(self, rows: list[Row], watch: Watch) -> None:
        first = rows[0]
        clock, _, number = first.cause.rpartition("/")
        if watch.parked or watch.ended:
            over = "is parked" if watch.parked else "has ended"
            self._report.say(
                "deadline", f"{first.name} lets {first.cause} run out, but its case {over}"
            )
        if first.kind == "case-parked":
            watch.parked = True
        elif clock == f"clock/{first.subject}/deadline":
            self._miss(rows, watch, number)
        elif clock == f"clock/{first.subject}/answer":
            self._silent(rows, watch, watch.calls.get(f"{first.subject}/{number}"))
        else:
            self._report.say(
                "cause",
                f"{first.name} names {first.cause!r} as its cause, which is no clock of its case",
            )

    def _miss(self, rows: list[Row], watch: Watch, number: str) -> None:
        missed, raised = rows[0], rows[1:]
        if missed.kind != "deadline-missed" or [row.kind for row in raised] != ["call-raised"]:
            found = ", ".join(row.kind for row in rows)
            self._report.say(
                "call",
                f"{missed.name}: {missed.cause} led to {found}, not to a missed deadline and one call",
            )
        if missed.kind == "deadline-missed":
            self._missed(missed, watch, number)
        for row in raised:
            if row.kind == "call-raised":
                self._raise(row, watch, watch.level, "deadline")

    def _missed(self, row: Row, watch: Watch, number: str) -> None:
        run, due, level = row.number("run"), row.number("due"), row.text("holder", "level")
        named = (
            watch.watched
            and not watch.missed
            and (run, due, level) == (watch.run, watch.due, watch.level)
        )
        if not named or number != str(run):
            self._report.say(
                "deadline",
                f"{row.name} says that {row.cause} ran out at {due} in a {level}; no such clock runs",
            )
        else:
            self._in_its_time("deadline", row, watch.since, watch.due)
        watch.missed = True

    def _silent(self, rows: list[Row], watch: Watch, call: Open | None) -> None:
        first = rows[0]
        if len(rows) != 1 or first.kind != "call-raised":
            self._report.say(
                "silence", f"{first.name}: {first.cause} led to {len(rows)} rows, not to one call"
            )
        if call is None or call.due is None or call.to != "street" or call.silent:
            self._report.say(
                "silence",
                f"{first.name}: {first.cause} ran out, but no street is asked and silent there",
            )
        else:
            call.silent = True
            self._in_its_time("silence", first, call.since, call.due)
        for row in rows:
            if row.kind == "call-raised":
                self._raise(row, watch, "street", "silence")

    def _in_its_time(self, kind: str, row: Row, since: int, due: int) -> None:
        """A clock fires at its due time or, where time was further already, at the time of the row before."""
        if row.ts != (at := due if self._ts is None else max(due, self._ts)):
            self._report.say(
                kind,
                f"{row.name} is at {row.ts}, but its clock was due at {due}, and it should be at {at}",
            )
        passed = self._past.passed(since, due)
        after = self._past.last if passed is None else passed - 1
        if row.input != after:
            soon = "too early" if row.input < after else "too late"
            self._report.say(
                kind,
                f"{row.name} was made after input {row.input}, {soon}: due at {due}, it comes after {after}",
            )

    def _raise(self, row: Row, watch: Watch, level: str, because: str) -> None:
        call, to = row.text("call"), ABOVE.get(level, "nobody")
        said = (row.text("from_level"), row.text("to_level"), row.text("because"))
        if said != (level, to, because):
            kind = "call" if because == "deadline" else "silence"
            self._report.say(
                kind,
                f"{row.name} calls {' → '.join(said[:2])} for {said[2]}, not {level} → {to} for {because}",
            )
        if call != f"{row.subject}/{watch.raised + 1}":
            self._report.say(
                "call", f"{row.name} raises call {call}, after {watch.raised} of case {row.subject}"
            )
        if any(other.to == said[1] for other in watch.calls.values()):
            self._report.say(
                "call", f"{row.name} raises call {call} to the {said[1]}, where one is open"
            )
        watch.raised += 1
        watch.calls[call] = Open(said[1], self._answer_due(row), row.input)

    def _answer_due(self, row: Row) -> int | None:
        """Until when a call should be answered: counted from its row, by the policies in force."""
        due, by_policy = (
            row.instant("answer_due"),
            None if self._policies.within is None else row.ts + self._policies.within,
        )
        if due != by_policy:
            self._report.say(
                "silence",
                f"{row.name} is to be answered by {due}; by the policies in force it is {by_policy}",
            )
        return due

    # The end

    def close(self, head: Head) -> None:
        """Whatever was due before the time that has passed has run out."""
        self._listen(head.input)
        self._settle()
        for case, watch in self._watches.items():
            self._overdue(case, watch, head)

    def _overdue(self, case: str, watch: Watch, head: Head) -> None:
        """Say once what should have run out before. The clocks of a parked case are silent."""
        if (
            watch.watched
            and not (watch.missed or watch.parked)
            and self._over(watch.since, watch.due, head)
        ):
            self._report.say(
                "deadline",
                f"{self._shard}: case {case} was due at {watch.due}, and no deadline was missed",
            )
            watch.missed = True
        for name, call in watch.calls.items():
            asked = (
                call.due is not None and call.to == "street" and not (call.silent or watch.parked)
            )
            if asked and call.due is not None and self._over(call.since, call.due, head):
                self._report.say(
                    "silence",
                    f"{self._shard}: call {name} was to be answered by {call.due}, and nobody was called",
                )
                call.silent = True

    def _over(self, since: int, due: int, head: Head) -> bool:
        """Whether a clock has run out. One that was overdue when it started waits until time passes once more."""
        passed = self._past.passed(since, due)
        return head.ts > max(due, self._past.ts.get(since, 0)) or (
            passed is not None and passed <= head.input
        )


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────────────────────────


Apart = Mapping[str, str]  # The URLs of services with databases of their own.
TOGETHER: Apart = {}


async def check(url: str, receipts: Iterable[Receipt], apart: Apart = TOGETHER) -> list[Violation]:
    """All violations of guarantees 1, 2, 3, 5 and 8 that receipts and tables show."""
    return (await examine(url, receipts, apart)).violations


async def examine(url: str, receipts: Iterable[Receipt], apart: Apart = TOGETHER) -> Report:
    """Read the receipts, then the tables, in one state of each database: an effect's is taken before its cause's."""
    report = Report()
    told = told_by_shard(receipts, report)
    async with AsyncExitStack() as stack:
        opened: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        connections = {}
        for schema in reversed(SCHEMAS.values()):
            its = apart.get(schema, url)
            if its not in opened:
                opened[its] = await asyncpg.connect(its, server_settings=SETTINGS)
                stack.push_async_callback(opened[its].close)
                await stack.enter_async_context(
                    opened[its].transaction(isolation="repeatable_read", readonly=True)
                )
                await opened[its].fetchval("SELECT 1")  # Now its state is taken.
            connections[schema] = opened[its]
        tables = Tables(connections)
        for shard in sorted(await tables.shards() | told.keys()):
            await examine_shard(shard, tables, told.get(shard, {}), report)
    return report


async def examine_shard(shard: str, tables: Tables, told: dict[str, Told], report: Report) -> None:
    """One district: its three logs, one after the other."""
    heads = {log: await tables.head(log, shard) for log in SCHEMAS}
    inputs, door = await examine_intake(shard, tables, told, heads["intake"], report)
    outcomes, cases = await examine_cases(shard, tables, inputs, door, heads["cases"], report)
    await examine_calls(shard, tables, outcomes, cases.heard, heads["calls"], report)
    compare_heads(shard, {log: head or Head() for log, head in heads.items()}, report)


async def examine_intake(
    shard: str, tables: Tables, told: dict[str, Told], head: Head | None, report: Report
) -> tuple[Past, Door]:
    """Intake's log. Gives what its readers are measured by, and what was accepted."""
    order, door = Order("intake", shard, None, report), Door(shard, told, report)
    async for row in in_order(tables.rows("intake", shard), order, report):
        with readable(report):
            door.take(row)
    order.close(head)
    door.close()
    return order.past, door


async def examine_cases(
    shard: str, tables: Tables, inputs: Past, door: Door, head: Head | None, report: Report
) -> tuple[Past, Cases]:
    """Routing's log. Gives what its readers are measured by, and what escalation hears of it."""
    order, cases = Order("cases", shard, inputs, report), Cases(shard, door, report)
    async for row in in_order(tables.rows("cases", shard), order, report):
        with readable(report):
            cases.take(row)
    order.close(head)
    cases.close(inputs.ts)
    return order.past, cases


async def examine_calls(
    shard: str,
    tables: Tables,
    outcomes: Past,
    heard: list[Heard],
    head: Head | None,
    report: Report,
) -> None:
    """Escalation's log."""
    order, calls = Order("calls", shard, outcomes, report), Calls(shard, heard, outcomes, report)
    async for rows in decisions(in_order(tables.rows("calls", shard), order, report)):
        with readable(report):
            calls.take(rows)
    order.close(head)
    calls.close(head or Head())


async def in_order(rows: AsyncIterator[Row], order: Order, report: Report) -> AsyncIterator[Row]:
    """The rows of a log, counted, their order checked."""
    async for row in rows:
        report.rows += 1
        order.take(row)
        yield row


async def decisions(rows: AsyncIterator[Row]) -> AsyncIterator[list[Row]]:
    """The rows of a log, decision by decision."""
    together: list[Row] = []
    async for row in rows:
        if row.n == 1 and together:
            yield together
            together = []
        together.append(row)
    if together:
        yield together


@contextmanager
def readable(report: Report) -> Iterator[None]:
    """What a row lacks is found, and the next row is read."""
    try:
        yield
    except Unreadable as fault:
        report.say("unreadable", str(fault))


def compare_heads(shard: str, heads: dict[str, Head], report: Report) -> None:
    """Guarantee 8: each stage has applied all that it reads, and is not further in time."""
    for log, source in SOURCE.items():
        stage, read = heads[log], heads[source]
        if stage.input != read.pos:
            report.say(
                "lag",
                f"{log}/{shard} has applied {source} up to {stage.input}, which ends at position {read.pos}",
            )
        if stage.ts > read.ts:
            report.say(
                "ahead",
                f"{log}/{shard} is at time {stage.ts}, further than {source}, which is at {read.ts}",
            )


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_receipts(path: Path) -> Iterator[Receipt]:
    """The receipts of a file, line by line. Raises ValueError for what is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                receipt = json.loads(line)
                missing = {"district", "kind", "status"} - receipt.keys()
            except (ValueError, AttributeError) as fault:
                raise ValueError(f"{path} line {number} is no receipt: {fault}") from fault
            if missing:
                raise ValueError(
                    f"{path} line {number} is no receipt: it has no {', '.join(sorted(missing))}"
                )
            yield receipt


def sentences(report: Report) -> Iterator[str]:
    """The first violations of each kind, and how many more there are; or that there is none."""
    if not report.violations:
        yield f"{report.receipts} receipts, {report.rows} rows: nothing lost, nothing twice, nothing wrong"
    for kind, count in Counter(violation.kind for violation in report.violations).items():
        for violation in islice((v for v in report.violations if v.kind == kind), SHOWN):
            yield f"{kind} (guarantee {KINDS[kind]}): {violation.sentence}"
        if count > SHOWN:
            yield f"{kind} (guarantee {KINDS[kind]}): and {count - SHOWN} more"


def as_json(report: Report) -> str:
    """The same as one JSON object."""
    counts = Counter(violation.kind for violation in report.violations)
    shown = [
        v._asdict()
        for kind in counts
        for v in islice((v for v in report.violations if v.kind == kind), SHOWN)
    ]
    return json.dumps(
        {"receipts": report.receipts, "rows": report.rows, "counts": counts, "violations": shown}
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Checks guarantees 1, 2, 3, 5 and 8 from receipts and raw tables."
    )
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument(
        "--apart",
        action="append",
        default=[],
        metavar="SERVICE=URL",
        help="a service with its own database",
    )
    parser.add_argument("--receipts", required=True, metavar="FILE", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of sentences")
    asked = parser.parse_args(arguments)
    try:
        report = asyncio.run(
            examine(
                asked.database,
                read_receipts(asked.receipts),
                dict(each.split("=", 1) for each in asked.apart),
            )
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        sys.stderr.write(f"cannot check: {fault}\n")
        return 2
    sys.stdout.write(
        as_json(report) + "\n" if asked.json else "".join(f"{line}\n" for line in sentences(report))
    )
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
