"""The answers that clients got, from a file of receipts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tools.checker.report import Report

Receipt = dict[str, Any]
ACCEPTED = (200, 202)  # 200: a repeat, answered with the first answer.
CONFLICT = 409  # Its reference is in the log already, with another body.
NOT_NOW = (408, 425, 429)  # Nothing was said about the item itself.


@dataclass(slots=True)
class Answers:
    """The answers about one identity. An item that was refused may be accepted later."""

    accepted: bool = False
    conflict: bool = False
    refused: int = 0
    position: int | None = None
    is_logged: bool = False


def answers_by_shard(receipts: Iterable[Receipt], report: Report) -> dict[str, dict[str, Answers]]:
    """Return the answers that clients got, by district and identity."""
    shards: dict[str, dict[str, Answers]] = {}
    for receipt in receipts:
        report.receipts += 1
        if name := identity_of(receipt, report):
            answers = shards.setdefault(receipt["district"], {}).setdefault(name, Answers())
            add_answer(answers, name, receipt, report)
    return shards


def identity_of(receipt: Receipt, report: Report) -> str | None:
    """Return the identity that a receipt is about, or None if its item was malformed."""
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
    """Return the first 32 hex digits of SHA-256 over a JSON array in UTF-8, without spaces."""
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def add_answer(answers: Answers, name: str, receipt: Receipt, report: Report) -> None:
    """Add an answer to those about an identity."""
    status = receipt["status"]
    answers.conflict |= status == CONFLICT
    if 400 <= status < 500 and status != CONFLICT and status not in NOT_NOW:
        answers.refused = status
    if status in ACCEPTED:
        add_position(answers, name, receipt, report)


def add_position(answers: Answers, name: str, receipt: Receipt, report: Report) -> None:
    """Add the position of an accepted input. All answers about it name the same one."""
    position = receipt.get("pos")
    if position is None or (answers.accepted and position != answers.position):
        before = f", but was answered with {answers.position} before" if answers.accepted else ""
        report.say(
            "position",
            f"{receipt['district']}: {name} was answered {receipt['status']} with position "
            f"{position}{before}",
        )
    answers.position = answers.position if answers.accepted else position
    answers.accepted = True


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Read the receipts of a file. Raise ValueError for a line that is no receipt."""
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
