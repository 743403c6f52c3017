"""The life of a case, and the inputs that routing passes on to later stages."""

from __future__ import annotations

from typing import Literal

from events.catalogue.values import Assignment, CaseFacts, PlaceClaim, Versions
from events.registry import Words, event


@event("cases", case_stage="reported", words=Words(en="Case opened", zh="立为事项"))
class CaseReported:
    """An issue opened a case. The case takes the id of the issue.

    `claims` are those of the issue: a changed map is asked about them again.
    """

    case: str
    issue: str
    reference: str
    matter: CaseFacts
    claims: tuple[PlaceClaim, ...]
    rules: tuple[str, ...]


@event(
    "cases",
    personal=True,
    case_stage="routed",
    words=Words(en="Routed to its grid", zh="转办到网格"),
)
class CaseRouted:
    """A case was given to a grid.

    `located_by` is point, grid or dispatcher; `rules` are the rules that handled dirt on the way.
    """

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions


@event(
    "cases", case_stage="queued", words=Words(en="Waits for a dispatcher", zh="地点不明，等待分派")
)
class CaseQueued:
    """A case could not be located and waits for a dispatcher.

    The dispatcher is that of its street if that is known, else that of its district.
    """

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions


@event(
    "cases",
    case_stage="withheld",
    words=Words(en="Kept from the grids", zh="准入清单不许下交网格，由上级承办"),
)
class CaseWithheld:
    """The admission list keeps this category from the grids: a higher level has the case.

    `row` cites the rule.
    """

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions
    row: str


@event("cases", personal=True, words=Words(en="Given to another holder", zh="改由他人承办"))
class CaseReassigned:
    """An open case has another holder: a roster or a map came, or a dispatcher named its lost grid.

    `queued` says that a dispatcher must say where it is. What was visited keeps its stage there.
    `previous` answers for his part until here. A worker who follows another one, or nobody, begins
    a new episode. `located_by` is as in the placements, or `former`: only the street that it had
    is known. `row` cites the admission list if that keeps the case from a grid, and is empty
    otherwise.
    """

    case: str
    holder: Assignment
    previous: Assignment
    because: Literal["roster", "map", "dispatcher"]
    queued: bool
    located_by: str
    rules: tuple[str, ...]
    used: Versions
    row: str


@event("cases", personal=True, case_stage="visited", words=Words(en="Visited", zh="已走访"))
class CaseVisited:
    """The holder of the case visited the place."""

    case: str
    holder: Assignment
    by: str


@event(
    "cases",
    personal=True,
    case_stage="resolved",
    words=Words(en="Resolved, not yet verified", zh="报称已化解，等待核查"),
)
class CaseResolved:
    """A claim: the matter is solved.

    The claim becomes a fact when another person has verified it.
    """

    case: str
    holder: Assignment
    by: str
    root_cause: str


@event(
    "cases",
    personal=True,
    case_stage="verified",
    words=Words(en="Verified: it is solved", zh="核查属实，确已化解"),
)
class CaseVerified:
    """A fact: a person other than the one who resolved it confirmed that it is solved."""

    case: str
    holder: Assignment
    by: str


@event(
    "cases",
    personal=True,
    case_stage="visited",
    words=Words(en="Check failed: not solved", zh="核查未通过，继续办理"),
)
class ResolutionRejected:
    """The check failed: the matter is not solved, and its holder goes on."""

    case: str
    holder: Assignment
    by: str


@event("cases", personal=True, case_stage="closed", words=Words(en="Case closed", zh="事项办结"))
class CaseClosed:
    """A verified case was closed."""

    case: str
    holder: Assignment
    by: str


@event(
    "cases",
    personal=True,
    case_stage="reopened",
    words=Words(en="Case reopened", zh="事项重新办理"),
)
class CaseReopened:
    """An ended case is open again. The worker whom its place has now begins a new episode.

    `matter.due` is the due time that its line promised, as long as that has not passed: a promise
    stays. Otherwise it is None, because the policies in force decide.
    """

    case: str
    matter: CaseFacts
    holder: Assignment
    because: str


@event(
    "cases",
    personal=True,
    case_stage="withdrawn",
    words=Words(en="Withdrawn by its line", zh="来源撤回，事项了结"),
)
class CaseWithdrawn:
    """The case ended because its line took the issue back."""

    case: str
    holder: Assignment
    because: str


@event(
    "cases",
    personal=True,
    case_stage="ended",
    words=Words(en="Ended at its source", zh="事项已在来源处了结"),
)
class CaseEndedAtSource:
    """The case ended as the record of its source says.

    `ended_before_reported` is among the rules if the record ended before the report.
    """

    case: str
    holder: Assignment
    outcome: Literal["closed", "withdrawn"]
    rules: tuple[str, ...]


@event("cases", personal=True, words=Words(en="Acknowledgement passed on", zh="签收已转达"))
class AcknowledgementPassedOn:
    """Routing passes an acknowledgement on to escalation."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("cases", personal=True, words=Words(en="Answer passed on", zh="应答已转达"))
class AnswerPassedOn:
    """Routing passes an answer on to escalation."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("cases", personal=True, words=Words(en="Retry passed on", zh="重试要求已转达"))
class RetryPassedOn:
    """Routing passes a retry on to escalation."""

    case: str
    action: str
    by: str


CasePlaced = CaseRouted | CaseQueued | CaseWithheld
"""The case has a holder: a new one, or its first."""

CaseEnded = CaseEndedAtSource | CaseClosed | CaseWithdrawn
"""The case has ended."""

CaseProgress = CaseReported | CaseVisited | CaseResolved | CaseVerified | ResolutionRejected
"""The case is worked on. Its holder and its deadline stay, so that later stages do nothing."""

CallAction = AcknowledgementPassedOn | AnswerPassedOn
"""The receiver of a call does something about it."""

CaseEvent = (
    CasePlaced
    | CaseReassigned
    | CaseEnded
    | CaseProgress
    | CaseReopened
    | CallAction
    | RetryPassedOn
)
