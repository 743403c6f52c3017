"""Records of `inbound.<line>` enter like a POST: each gets the answer that a POST would get."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from events.catalogue import Line
from httpedge.problems import Problem
from intake.acceptor import Acceptor
from intake.api_keys import ApiKeys
from intake.conflicts import conflict
from intake.core.submission import Item
from intake.districts import UnknownDistrict
from intake.inbound.cloudevents import parse_record, read_issue
from intake.inbound.record import Record
from intake.refusals import to_problem
from intake.results import Result, count_accepted, count_refused, result_of

FAULT = Problem(
    500, "fault", "A fault of gridcall", "This is a fault of gridcall: please report it."
)
OWN_FAULTS = (ValueError, TypeError, LookupError, RecursionError)

log = logging.getLogger("gridcall")


class Answer(NamedTuple):
    """The answer to a record: `cause` is the id of its event, if it has one."""

    cause: str | None
    result: Result | Problem


class Readable(NamedTuple):
    """A record that can be accepted: its number in the batch, its issue and its reference."""

    number: int
    cause: str
    item: Item
    reference: str


class RecordAcceptor:
    """Accepts the records of one line, for all districts."""

    def __init__(self, line: Line, acceptor: Acceptor, keys: ApiKeys) -> None:
        self._line = line
        self._acceptor = acceptor
        self._keys = keys

    async def accept(self, records: Sequence[Record]) -> list[Answer]:
        """Accept what can be accepted, in its order; return the answer to each record."""
        answers: dict[int, Answer] = {}
        readable: defaultdict[str, list[Readable]] = defaultdict(list)
        for number, record in enumerate(records):
            await self._read(number, record, readable, answers)
        for district, group in readable.items():
            answers |= await self._accept_group(district, group)
        return [answers[number] for number in range(len(records))]

    async def _accept_group(self, district: str, group: Sequence[Readable]) -> dict[int, Answer]:
        """Accept the records of one district, and return the answer to each."""
        try:
            accepted = await self._acceptor.accept(district, [each.item for each in group])
        except UnknownDistrict as error:  # An answer to these; other districts go on.
            problem = to_problem(error)
            return {each.number: Answer(each.cause, problem) for each in group}
        count_accepted(self._line, accepted)
        answers: dict[int, Answer] = {}
        for each, one in zip(group, accepted, strict=True):
            if one.same:
                result: Result | Problem = result_of(one, each.reference)
            else:
                result = conflict(each.reference, one)
            answers[each.number] = Answer(each.cause, result)
        return answers

    async def _read(
        self,
        number: int,
        record: Record,
        readable: defaultdict[str, list[Readable]],
        answers: dict[int, Answer],
    ) -> None:
        """Read a record: it becomes readable in its district, or has its answer."""
        cause = None
        try:
            event = parse_record(record)
            cause = event.id
            allowed = await self._keys.districts_of(event.source, self._line)
            district, item, reference = read_issue(event, self._line, allowed)
            readable[district].append(Readable(number, cause, item, reference))
        except Problem as problem:
            count_refused(self._line)
            answers[number] = Answer(cause, problem.with_traceback(None))  # It has `answers`.
        except OWN_FAULTS:  # They stop no record behind this one.
            log.exception(
                "a record of the line %s cannot be read: this is a fault of gridcall", self._line
            )
            answers[number] = Answer(cause, FAULT)
