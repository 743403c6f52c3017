"""The public view of a case: its present stage in words, its due time and its last change.

It names no person, no remark, no other issue, and no code that somebody chose freely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from casebook.case import Case
from events.instants import Instant
from events.registry import Words

PublicStage = Literal[
    "received",
    "assigned",
    "visited",
    "resolved",
    "verified",
    "closed",
    "withdrawn",
    "reopened",
]
"""The stages that the public sees, in the order of a case's life."""

PUBLIC_STAGE: dict[str, PublicStage] = {
    "reported": "received",
    "queued": "received",
    "routed": "assigned",
    "withheld": "assigned",
    "visited": "visited",
    "resolved": "resolved",
    "verified": "verified",
    "closed": "closed",
    "ended": "closed",
    "withdrawn": "withdrawn",
    "reopened": "reopened",
}
"""The public stage of each stage of a case."""

# By the stage of the case and its reason. A case that was assigned has the words of its level.
WORDS: dict[tuple[str, str], Words] = {
    ("reported", ""): Words(en="It was received and is being assigned.", zh="已收到，正在分派。"),
    ("queued", ""): Words(
        en="It was received. A dispatcher is finding out where it belongs.",
        zh="已收到，正在核实地点并分派。",
    ),
    ("assigned", "grid"): Words(
        en="It was assigned to the grid that looks after the place.", zh="已交由所在网格办理。"
    ),
    ("assigned", "street"): Words(
        en="It was assigned to the street office.", zh="已交由街道办理。"
    ),
    ("assigned", "district"): Words(
        en="It was assigned to the district centre.", zh="已交由区级中心办理。"
    ),
    ("visited", ""): Words(
        en="Somebody has been there and is working on it.", zh="已到现场查看，正在办理。"
    ),
    ("visited", "check_failed"): Words(
        en="A check found that it is not solved yet. The work goes on.",
        zh="经核查尚未解决，继续办理。",
    ),
    ("resolved", ""): Words(
        en="It is said to be solved. Another person is checking that.",
        zh="已报称解决，正由他人核查。",
    ),
    ("verified", ""): Words(en="A check confirmed that it is solved.", zh="经核查，问题已解决。"),
    ("closed", ""): Words(en="It is closed.", zh="已办结。"),
    ("ended", ""): Words(en="It is closed, as its source reports.", zh="来源单位反馈：已办结。"),
    ("ended", "withdrawn"): Words(en="Its source withdrew it.", zh="来源单位反馈：已撤回。"),
    ("withdrawn", ""): Words(en="The line that reported it withdrew it.", zh="已由上报渠道撤回。"),
    ("reopened", ""): Words(en="It is open again.", zh="已重新办理。"),
    ("reopened", "recurrence"): Words(
        en="It is open again, because the matter came back.", zh="问题再次出现，重新办理。"
    ),
    ("reopened", "unsatisfied"): Words(
        en="It is open again, because the reporter was not satisfied.",
        zh="因反映人不满意，重新办理。",
    ),
}
DELAYED = Words(
    en="It waits because of a fault of this system. Nothing that was sent is lost.",
    zh="因系统故障暂缓办理，已提交的内容不会丢失。",
)
UNKNOWN = Words(
    en="Its stage cannot be read at the moment. Please ask again later.",
    zh="暂时无法查询办理进度，请稍后再试。",
)


class PublicCase(NamedTuple):
    """The public view of a case.

    `due` is the deadline in force, or the last one of a case that ended; None without one.
    `overdue` says that the case is open beyond it. `changed` is the instant of the last change.
    """

    stage: PublicStage
    words: Words
    due: Instant | None
    overdue: bool
    changed: Instant


@dataclass(frozen=True, slots=True)
class Tracked:
    """The answer of a read model about a case; None if it knows no such case yet.

    Everything that happened before `as_of` is in it.
    """

    case: PublicCase | None
    as_of: Instant


def public_case(case: Case) -> PublicCase:
    """Return what everybody may know of a case."""
    stage = public_stage(case)
    words = DELAYED if case.parked_in else words_of(case, stage)
    return PublicCase(stage, words, case.due, case.overdue, case.changed)


def public_stage(case: Case) -> PublicStage:
    """Return the stage that the public sees. What a source withdrew counts as withdrawn."""
    return "withdrawn" if case.outcome == "withdrawn" else PUBLIC_STAGE[case.stage]


def words_of(case: Case, stage: PublicStage) -> Words:
    """Return the words for the stage of a case, and for the reason if that has words."""
    if stage == "assigned":
        return WORDS[stage, case.level]
    return WORDS.get((case.stage, case.reason)) or WORDS[case.stage, ""]


def received_case(due: Instant | None, accepted: Instant) -> PublicCase:
    """Return the view of an issue that was accepted, and of which nothing more is known yet."""
    return PublicCase("received", WORDS["reported", ""], due, False, accepted)
