"""The people: gridworkers, verifiers, dispatchers and officers."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any

from casebook.case import Case, evolve_case
from eventlog.core.row import Row
from eventlog.core.versions import readable
from events.catalogue import (
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseClosed,
    ClockStarted,
    ClockStopped,
)
from events.instants import Instant
from events.registry import TYPE_OF
from gridcall.demo.keys import PEOPLE
from gridcall.demo.licheng.units import CODE
from gridcall.demo.traffic.agenda import Agenda
from gridcall.demo.traffic.clock import HOUR, MINUTE, DistrictClock
from gridcall.demo.traffic.issues import all_grids, grids_by_street
from gridcall.demo.traffic.plans import Plan, plan_case
from gridcall.demo.traffic.receipts import Post, Receipts

# The next action on a case in each stage, and the share of its plan after which it happens.
NEXT_ACTION = {
    "queued": ("place_named", 0.0),
    "routed": ("visit_made", 0.3),
    "withheld": ("visit_made", 0.3),
    "reopened": ("visit_made", 0.3),
    "visited": ("resolution_claimed", 0.7),
    "resolved": ("resolution_checked", 0.88),
    "verified": ("closing_asked", 1.0),
}
ROOT_CAUSES = ("worn_out", "behaviour", "unclear_rule", "weather", "building_works", "supplier")
REOPENED, REJECTED, BY_DEPUTY = 0.02, 0.05, 0.2


@dataclass(slots=True)
class OpenCase:
    """An open case, and the row that brought it to its stage."""

    case: Case
    position: int
    time: Instant


class People:
    """All people. They remember open cases, their plans, and open calls.

    They act only after both logs were read to their heads (`active`), on what is open then.
    """

    def __init__(self, receipts: Receipts, clock: DistrictClock, agenda: Agenda, seed: int) -> None:
        self.cases: dict[str, OpenCase] = {}
        self.calls: dict[str, Row] = {}
        self.plans: dict[str, Plan] = {}
        self.active = False
        self._scheduled: set[tuple[str, int]] = set()
        self._receipts = receipts
        self._clock = clock
        self._agenda = agenda
        self._seed = seed

    def chance(self, *subject: object) -> random.Random:
        """Return a source of chance that is the same for one subject, also after a restart."""
        seed = f"{self._seed} {' '.join(map(str, subject))}"
        return random.Random(seed)  # noqa: S311 A demo, no secret.

    def activate(self) -> None:
        """Schedule actions on everything that is open."""
        self.active = True
        for case_id in list(self.cases):
            self._schedule(case_id)
        for row in list(self.calls.values()):
            self._schedule_answer(row)

    # ── Reading ──────────────────────────────────────────────────────────────────────────────────

    def read(self, row: Row) -> None:
        """Read a row of the log of cases or calls. An event of an unknown type is passed."""
        for known in readable((row,)):
            if row.log == "cases":
                self._read_case(known)
            else:
                self._read_call(known)

    def _read_case(self, row: Row) -> None:
        if TYPE_OF[type(row.event)].case_stage is None:
            return
        known = self.cases.get(row.subject)
        case = known.case if known else Case(row.subject)
        evolve_case(case, row)
        if case.open:
            self.cases[row.subject] = OpenCase(case, row.position, row.time)
            self._schedule(row.subject)
        else:
            self.cases.pop(row.subject, None)
            if isinstance(row.event, CaseClosed):
                self._maybe_reopen(row)

    def _read_call(self, row: Row) -> None:
        match row.event:
            case ClockStarted(case=case, started=started, due=due, run=run):
                self.plans[case] = plan_case(started, due, self.chance("plan", case, run))
                self._schedule(case)
            case ClockStopped(case=case):
                self.plans.pop(case, None)
            case CallRaised(call=call):
                self.calls[call] = row
                if self.active:
                    self._schedule_answer(row)
            case CallWithdrawn(call=call):
                self.calls.pop(call, None)
            case CallAnswered(case=case, call=call):
                self.calls.pop(call, None)
                self._remember(case, row.time)

    def _remember(self, case_id: str, at: Instant) -> None:
        """Begin a forgotten case, because its call was answered."""
        plan = self.plans.get(case_id)
        if plan and plan.begins is None:
            self.plans[case_id] = replace(plan, begins=at)
            self._schedule(case_id)

    # ── Acting on a case ─────────────────────────────────────────────────────────────────────────

    def _schedule(self, case_id: str) -> None:
        """Add the next action on a case to the agenda, once."""
        known = self.cases.get(case_id)
        if not self.active or known is None or (case_id, known.position) in self._scheduled:
            return
        seconds = self._seconds_until_action(known)
        if seconds is not None:
            self._scheduled.add((case_id, known.position))
            self._agenda.add(seconds, lambda: self._act(known))

    def _seconds_until_action(self, known: OpenCase) -> float | None:
        """Return the seconds until the next action; None while a case waits for clock or call."""
        case, plan = known.case, self.plans.get(known.case.id)
        chance = self.chance("pause", case.id, known.position)
        soonest = known.time + int(chance.uniform(MINUTE, 5 * MINUTE) * 1e6)
        if case.queued:
            pause = chance.uniform(10 * MINUTE, 50 * MINUTE)
            return self._clock.seconds_until(known.time) + pause
        if plan is None or plan.begins is None or case.stage not in NEXT_ACTION:
            return None
        share = NEXT_ACTION[case.stage][1] * chance.uniform(0.85, 1.0)
        planned = plan.begins + int(plan.seconds * share * 1e6)
        return self._clock.seconds_until(max(soonest, planned))

    def _act(self, known: OpenCase) -> Post | None:
        """Return the next action on a case, or None if another row has changed its stage."""
        case = known.case
        self._scheduled.discard((case.id, known.position))
        if self.cases.get(case.id) is not known:
            return None
        kind, _ = NEXT_ACTION["queued" if case.queued else case.stage]
        fields = self._details(kind, case, self.chance("step", case.id, known.position))
        return self._action(kind, known.position, case.id, by=actor(case), **fields)

    def _details(self, kind: str, case: Case, chance: random.Random) -> dict[str, Any]:
        """Return the fields of an action beside its actor."""
        match kind:
            case "place_named":
                grids = grids_by_street().get(case.street or "") or all_grids()
                return {"grid": chance.choice(grids)}
            case "resolution_claimed":
                return {"root_cause": chance.choice(ROOT_CAUSES)}
            case "resolution_checked":
                return {"holds": chance.random() >= REJECTED}
        return {}

    def _maybe_reopen(self, row: Row) -> None:
        """Schedule the reopening of some closed cases: a recurrence, or an unsatisfied reporter."""
        if not self.active or self.chance("reopens", row.position).random() >= REOPENED:
            return
        chance = self.chance("reopening", row.position)
        because = chance.choice(("recurrence", "unsatisfied"))
        self._agenda.add(
            chance.uniform(HOUR / 2, 6 * HOUR),
            lambda: self._action("reopening_asked", row.position, row.subject, because=because),
        )

    def _action(self, kind: str, position: int, case_id: str, **fields: Any) -> Post:
        """Return an action. The position of the row behind it is its reference."""
        reference = f"{kind}-{position:06}"
        body = {"reference": reference, "type": kind, "issue": {"id": case_id}, **fields}
        return Post(self._receipts.next_number(), PEOPLE, None, reference, json.dumps(body))

    # ── Acting on a call ─────────────────────────────────────────────────────────────────────────

    def _schedule_answer(self, row: Row) -> None:
        """Schedule the answer to a call.

        Most streets acknowledge and answer in time, some late, some never. The district always
        does.
        """
        chance, to_street = self.chance("call", row.position), row.event.to_level == "street"
        since_call, luck = self._clock.seconds_until(row.time), chance.random()

        def schedule(kind: str, earliest: float, latest: float) -> None:
            seconds = since_call + chance.uniform(earliest, latest) * MINUTE
            self._agenda.add(seconds, lambda: self._respond(row, kind))

        if luck < 0.8 or not to_street:
            schedule("acknowledgement_given", 3, 22)
            schedule("answer_given", 25, 55)
        elif luck < 0.9:
            schedule("answer_given", 65, 100)

    def _respond(self, row: Row, kind: str) -> Post | None:
        """Return an officer's or a deputy's response to a call, or None if it is no longer open."""
        call: CallRaised = row.event
        if call.call not in self.calls:
            return None
        receiver = call.receiver
        by_deputy = self.chance("deputy", row.position).random() < BY_DEPUTY
        person = receiver.deputy if by_deputy else receiver.officer
        by = person or f"{receiver.unit}-desk"
        return self._action(kind, row.position, call.case, call=call.call, by=by)


def actor(case: Case) -> str:
    """Return the person who does the next action: usually the holder.

    Another person verifies a resolution, and a dispatcher names a missing place.
    """
    unit = CODE if case.level == "district" or case.street is None else case.street
    if case.queued:
        return f"{unit}-dispatcher"
    if case.stage == "resolved":
        return f"{unit}-verifier"
    return case.worker or f"{unit}-desk"
