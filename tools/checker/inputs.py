"""The inputs that intake accepted (guarantee 1)."""

from __future__ import annotations

from typing import NamedTuple

from tools.checker.receipts import CONFLICT, Answers, identity
from tools.checker.report import Report
from tools.checker.rows import REFERENCE, Row


class Input(NamedTuple):
    """An accepted input: its kind, its issue, its source, and its call if it is about one."""

    kind: str
    issue: str
    call: str | None
    source: str = ""


class Inputs:
    """Intake's log of one shard, compared with the answers that clients got."""

    def __init__(self, shard: str, answers: dict[str, Answers], report: Report) -> None:
        self.inputs: dict[int, Input] = {}
        self.issues: dict[str, int] = {}
        self._shard = shard
        self._answers = answers
        self._report = report
        self._seen: set[str] = set()

    def take(self, row: Row) -> None:
        if row.kind == "reference-adopted":
            self.inputs[row.position] = Input(row.kind, REFERENCE, None)
            return
        call = row.text("call") if row.kind in ("acknowledgement-given", "answer-given") else None
        source = row.text("source") if "source" in (row.data or {}) else ""
        self.inputs[row.position] = Input(row.kind, row.text("issue"), call, source)
        self._check_once(row)

    def _check_once(self, row: Row) -> None:
        if row.subject in self._seen:
            self._report.say("twice", f"{row.name} has {row.subject}, which is in the log before")
            return
        self._seen.add(row.subject)
        if answers := self._answers.get(row.subject):
            self._compare(row, answers)
        self._identity(row)

    def _compare(self, row: Row, answers: Answers) -> None:
        answers.is_logged = True
        if answers.accepted and answers.position != row.position:
            self._report.say(
                "position",
                f"{row.name} has {row.subject}, which was answered with position "
                f"{answers.position}",
            )
        if answers.refused and not answers.accepted and not answers.conflict:
            self._report.say(
                "refused", f"{row.name} has {row.subject}, which was refused with {answers.refused}"
            )

    def _identity(self, row: Row) -> None:
        if row.kind == "issue-reported":
            self.issues[row.subject] = row.position
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
        for name, answers in self._answers.items():
            if answers.is_logged or not (answers.accepted or answers.conflict):
                continue
            said = (
                f"accepted as position {answers.position}"
                if answers.accepted
                else f"answered {CONFLICT}, as if it came before"
            )
            self._report.say(
                "lost", f"{self._shard}: {name} was {said}, and is not in intake's log"
            )
