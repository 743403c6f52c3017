"""Every event of gridcall, in the order of a case's life. Start here: the catalogue is the
glossary.

An event is a value; a published one never changes its meaning (a new meaning is a new version).
Instants are integers: microseconds since 1970-01-01T00:00:00Z. Ids are 32 hex digits, codes are
text and never numbers. None means unknown or not applicable. What several events carry together is
a value with a name (values.py).
"""

from __future__ import annotations

from events.catalogue.calls import (
    CallAcknowledged,
    CallActionDeclined,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
)
from events.catalogue.cases import (
    AcknowledgementPassedOn,
    AnswerPassedOn,
    CaseClosed,
    CaseEndedAtSource,
    CaseQueued,
    CaseReopened,
    CaseReported,
    CaseResolved,
    CaseRouted,
    CaseVerified,
    CaseVisited,
    CaseWithdrawn,
    CaseWithheld,
    ResolutionRejected,
    RetryPassedOn,
)
from events.catalogue.issues import (
    ACTIONS,
    AcknowledgementGiven,
    Action,
    AnswerGiven,
    ClosingAsked,
    EndedAtSource,
    IssueReported,
    IssueWithdrawn,
    PlaceNamed,
    ReopeningAsked,
    ResolutionChecked,
    ResolutionClaimed,
    RetryAsked,
    VisitMade,
    from_fields,
    is_action,
    to_fields,
)
from events.catalogue.outcomes import (
    NOT_PARKED,
    PARKING,
    ActionWaits,
    CaseParked,
    CaseRetried,
    InputDeclined,
    InputHeld,
)
from events.catalogue.reference import Adopted, PoliciesAdopted, ReferenceAdopted, RosterAdopted
from events.catalogue.values import (
    LINES,
    URGENCIES,
    Assignment,
    Because,
    CaseFacts,
    DeadlineRule,
    Level,
    Line,
    OnCall,
    PlaceClaim,
    ReferenceKind,
    Versions,
)

Event = (
    ReferenceAdopted | PoliciesAdopted | RosterAdopted | IssueReported
    | PlaceNamed | VisitMade | ResolutionClaimed | ResolutionChecked
    | ClosingAsked | ReopeningAsked | IssueWithdrawn | EndedAtSource
    | AcknowledgementGiven | AnswerGiven | RetryAsked | CaseReported
    | CaseRouted | CaseQueued | CaseWithheld | CaseVisited
    | CaseResolved | CaseVerified | ResolutionRejected | CaseClosed
    | CaseReopened | CaseWithdrawn | CaseEndedAtSource | AcknowledgementPassedOn
    | AnswerPassedOn | RetryPassedOn | ClockStarted | ClockHandedOver
    | ClockStopped | DeadlineMissed | CallRaised | CallAcknowledged
    | CallAnswered | CallWithdrawn | CallActionDeclined | ActionWaits
    | InputDeclined | CaseParked | InputHeld | CaseRetried
)  # fmt: skip

__all__ = [
    "ACTIONS",
    "LINES",
    "NOT_PARKED",
    "PARKING",
    "URGENCIES",
    "AcknowledgementGiven",
    "AcknowledgementPassedOn",
    "Action",
    "ActionWaits",
    "Adopted",
    "AnswerGiven",
    "AnswerPassedOn",
    "Assignment",
    "Because",
    "CallAcknowledged",
    "CallActionDeclined",
    "CallAnswered",
    "CallRaised",
    "CallWithdrawn",
    "CaseClosed",
    "CaseEndedAtSource",
    "CaseFacts",
    "CaseParked",
    "CaseQueued",
    "CaseReopened",
    "CaseReported",
    "CaseResolved",
    "CaseRetried",
    "CaseRouted",
    "CaseVerified",
    "CaseVisited",
    "CaseWithdrawn",
    "CaseWithheld",
    "ClockHandedOver",
    "ClockStarted",
    "ClockStopped",
    "ClosingAsked",
    "DeadlineMissed",
    "DeadlineRule",
    "EndedAtSource",
    "Event",
    "InputDeclined",
    "InputHeld",
    "IssueReported",
    "IssueWithdrawn",
    "Level",
    "Line",
    "OnCall",
    "PlaceClaim",
    "PlaceNamed",
    "PoliciesAdopted",
    "ReferenceAdopted",
    "ReferenceKind",
    "ReopeningAsked",
    "ResolutionChecked",
    "ResolutionClaimed",
    "ResolutionRejected",
    "RetryAsked",
    "RetryPassedOn",
    "RosterAdopted",
    "Versions",
    "VisitMade",
    "from_fields",
    "is_action",
    "to_fields",
]
