"""Escalation's decider: a deadline per case, and calls that climb: the grid calls, the street answers; the street calls,
the district answers.

A missed deadline raises a call to the next level above the case's holder. A street's call that stays unanswered raises one
to the district, and stays open itself. A call ends by an answer, or because its case ended; never by silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeGuard, get_args

from escalation.core.calls import Call, Over, State, Unwatched, Watched, watched
from eventlog.core.decider import Input, Timer, TimerFired
from events.catalogue import (
    NOT_PARKED,
    PARKING,
    AcknowledgementPassedOn,
    AnswerPassedOn,
    Because,
    CallAcknowledged,
    CallActionDeclined,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseClosed,
    CaseEndedAtSource,
    CaseFacts,
    CaseQueued,
    CaseReopened,
    CaseRouted,
    CaseWithdrawn,
    CaseWithheld,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
    Event,
    InputDeclined,
    Level,
    OnCall,
    PoliciesAdopted,
    ReferenceAdopted,
    RetryPassedOn,
    RosterAdopted,
)
from events.deadlines import described, due, limit_for
from events.errors import Halted
from events.instants import Instant

VERSIONS = (
    "2026-11",
)  # The decider versions that this code can carry on, by the names given to them.
ABOVE: Mapping[Level, Level] = {"grid": "street", "street": "district", "district": "district"}

Placed = CaseRouted | CaseQueued | CaseWithheld
Ended = CaseEndedAtSource | CaseClosed | CaseWithdrawn
CallAction = AcknowledgementPassedOn | AnswerPassedOn
Hears = Placed | Ended | CallAction | CaseReopened | RetryPassedOn
HEARD = frozenset(get_args(Hears))


@dataclass(frozen=True, slots=True)
class Reference:
    """The policies and receivers in force."""

    policies: PoliciesAdopted | None = None
    receivers: Mapping[str, OnCall] = field(default_factory=dict)


def is_heard(event: object) -> TypeGuard[Hears]:
    """Whether an event of `cases` concerns clocks or calls."""
    return type(event) in HEARD


class Escalation:
    """The decider of one district."""

    log = "calls"
    parking = PARKING
    initial_state: State = Unwatched()
    initial_reference = Reference()

    def subject(self, event: Event) -> str | None:
        return event.case if is_heard(event) else None

    def retries(self, event: Event) -> bool:
        return isinstance(event, RetryPassedOn)

    def timers(self, state: State) -> Sequence[Timer]:
        return state.clocks if isinstance(state, Watched) else ()

    # ── Reference data ───────────────────────────────────────────────────────────────────────────────────────────────

    def decide_reference(self, event: Event, reference: Reference) -> Sequence[Event]:
        """Write down what later decisions need; maps and admission lists are routing's own."""
        match event:
            case ReferenceAdopted(kind="decider", name=name) if name not in VERSIONS:
                raise Halted(
                    f"decider {name!r} was adopted; this code has {', '.join(VERSIONS)}: install it"
                )
            case PoliciesAdopted() | RosterAdopted() | ReferenceAdopted(kind="decider"):
                return [event]
            case _:
                return []

    def evolve_reference(self, reference: Reference, event: Event) -> Reference:
        match event:
            case PoliciesAdopted():
                return replace(reference, policies=event)
            case RosterAdopted(receivers=receivers):
                return replace(
                    reference, receivers={receiver.unit: receiver for receiver in receivers}
                )
            case _:
                return reference

    # ── Clocks and calls ─────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, heard: Input, state: State, reference: Reference) -> Sequence[Event]:
        match heard.event:
            case CaseRouted() | CaseQueued() | CaseWithheld() as placed:
                if isinstance(state, Watched):
                    return [
                        ClockHandedOver(
                            case=placed.case, holder=placed.holder, run=state.run, due=state.due
                        )
                    ]
                return started(placed, placed.matter.reported, 1, reference)
            case CaseEndedAtSource() | CaseClosed() | CaseWithdrawn() as ended:
                return over(ended.case, state) if isinstance(state, Watched) else []
            case TimerFired(clock):
                return self._ran_out(clock, state, heard.time, reference)
            case CaseReopened() as reopened:
                run = state.run + 1 if isinstance(state, Over) else 1
                return started(reopened, heard.time, run, reference)
            case AcknowledgementPassedOn() | AnswerPassedOn() as action:
                return answered(action, state)
            case RetryPassedOn(case=case, action=retry):
                return [InputDeclined(case=case, input_id=retry, because=NOT_PARKED)]
            case event:
                raise AssertionError(f"{event} is no input of escalation")

    def _ran_out(
        self, clock: Timer, state: State, time: Instant, reference: Reference
    ) -> Sequence[Event]:
        """A deadline calls for help above the holder; a street's silence calls the district."""
        assert isinstance(state, Watched), "a clock runs in a watched case only"
        if clock.kind == "answer":
            return [self._raised(clock.subject, state, "street", "silence", time, reference)]
        missed = DeadlineMissed(
            case=clock.subject, holder=state.holder, run=state.run, due=clock.due
        )
        return [
            missed,
            self._raised(clock.subject, state, state.holder.level, "deadline", time, reference),
        ]

    def _raised(
        self,
        case: str,
        state: Watched,
        level: Level,
        because: Because,
        time: Instant,
        reference: Reference,
    ) -> CallRaised:
        """A call from a level to the one above it. Its limit counts from the instant at which it is raised."""
        to = ABOVE[level]
        unit = state.holder.street if to == "street" else state.holder.district
        receiver = reference.receivers.get(unit or "", OnCall(unit or "", None, None))
        within = reference.policies.answer_within if reference.policies else None
        call = f"{case}/{state.raised + 1}"
        answer_due = None if within is None else time + within
        return CallRaised(
            case=case,
            holder=state.holder,
            call=call,
            from_level=level,
            to_level=to,
            receiver=receiver,
            because=because,
            answer_due=answer_due,
        )

    def evolve(self, state: State, event: Event) -> State:
        if isinstance(event, ClockStarted):
            clock = Timer(event.due, event.case, "deadline", event.run)
            raised = state.raised if isinstance(state, Over) else 0
            return watched(event.holder, event.run, raised, event.due, clock, ())
        return gone_on(state, event) if isinstance(state, Watched) else state


def gone_on(state: Watched, event: Event) -> State:
    """A watched case after one more event."""
    holder, run, raised, due_at, deadline, calls = (
        state.holder, state.run, state.raised, state.due, state.deadline, state.calls,
    )  # fmt: skip
    match event:
        case ClockStopped():
            return case_over(run, raised)
        case DeadlineMissed():
            return watched(holder, run, raised, due_at, None, calls)
        case CallRaised():
            return watched(
                holder,
                run,
                raised + 1,
                due_at,
                deadline,
                (*still_heard(calls, event), opened(event)),
            )
        case CallAcknowledged():
            heard = tuple(
                replace(call, acknowledged=True) if call.id == event.call else call
                for call in calls
            )
            return watched(holder, run, raised, due_at, deadline, heard)
        case CallAnswered():
            return watched(
                holder,
                run,
                raised,
                due_at,
                deadline,
                tuple(call for call in calls if call.id != event.call),
            )
        case ClockHandedOver():
            return watched(event.holder, run, raised, due_at, deadline, calls)
        case _:
            return state


case_over = lru_cache(maxsize=1024)(Over)  # Cases that ended are many, and alike.


def started(
    case: Placed | CaseReopened, at: Instant, run: int, reference: Reference
) -> Sequence[Event]:
    """A deadline: the one that came with the issue, else the first policy row that fits, else none."""
    promise = promised(case.matter, at, reference)
    if promise is None:
        return []
    until, rule = promise
    name = reference.policies.name if reference.policies else None
    return [
        ClockStarted(
            case=case.case,
            holder=case.holder,
            run=run,
            started=at,
            due=until,
            rule=rule,
            policies=name,
        )
    ]


def promised(matter: CaseFacts, at: Instant, reference: Reference) -> tuple[Instant, str] | None:
    """When a matter that starts at an instant is due, and by which rule."""
    if matter.due is not None:
        return matter.due, "line"
    policies = reference.policies
    limit = limit_for(matter, policies.limits) if policies else None
    if policies is None or limit is None:
        return None
    return due(limit, at, policies.zone), described(limit)


def over(case: str, state: Watched) -> list[Event]:
    """The case ended: its deadline stops, its calls are withdrawn."""
    stopped = ClockStopped(case=case, holder=state.holder, run=state.run, due=state.due)
    return [
        stopped,
        *(CallWithdrawn(case=case, holder=state.holder, call=call.id) for call in state.calls),
    ]


def opened(event: CallRaised) -> Call:
    """The call; a street's silence has a clock, a district has nobody above it."""
    silence = None
    if event.answer_due is not None and event.to_level == "street":
        silence = Timer(event.answer_due, event.case, "answer", int(event.call.rpartition("/")[2]))
    return Call(event.call, event.to_level, False, silence)


def still_heard(calls: tuple[Call, ...], event: CallRaised) -> tuple[Call, ...]:
    """The open calls; where silence raised the new one, the clock of that silence has run out."""
    if event.because != "silence":
        return calls
    return tuple(replace(call, answer_by=None) for call in calls)


def answered(action: CallAction, state: State) -> Sequence[Event]:
    """What becomes of an acknowledgement or an answer."""
    calls = state.calls if isinstance(state, Watched) else ()
    call = next((call for call in calls if call.id == action.call), None)
    if call is None or not isinstance(state, Watched):
        return [
            CallActionDeclined(
                case=action.case,
                holder=action.holder,
                call=action.call,
                because="This call is not open.",
            )
        ]
    if isinstance(action, AnswerPassedOn):
        return [CallAnswered(case=action.case, holder=state.holder, call=action.call, by=action.by)]
    if call.acknowledged:
        return [
            CallActionDeclined(
                case=action.case,
                holder=action.holder,
                call=action.call,
                because="This call was acknowledged already.",
            )
        ]
    return [CallAcknowledged(case=action.case, holder=state.holder, call=action.call, by=action.by)]
