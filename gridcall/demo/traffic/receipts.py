"""Posts, and `receipts.ndjson`: a line before a post is sent, and one for its answer."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from events.instants import Instant
from gridcall.demo.licheng.units import CODE


@dataclass(frozen=True, slots=True)
class Post:
    """A request to the intake API. `line` is None for an action.

    `reference` is None if the body is broken and intake cannot read a reference from it.
    """

    number: int
    source: str
    line: str | None
    reference: str | None
    body: str

    @property
    def path(self) -> str:
        return f"/issues/{self.line}" if self.line else "/actions"

    def identity(self) -> dict[str, Any]:
        """Return the fields with which each of its receipts begins."""
        return {
            "post": self.number,
            "district": CODE,
            "kind": "issue" if self.line else "action",
            "source": self.source,
            "line": self.line,
            "reference": self.reference,
        }


class Receipts:
    """The file of receipts. A receipt of status 0 says that the post is about to be sent.

    Lines are written unbuffered, so that a killed process loses none of them.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "receipts.ndjson"
        self.statuses: Counter[int] = Counter()
        self.unanswered: dict[int, Post] = {}
        self._last_number = 0
        self._load()
        self._file = self.path.open("ab", buffering=0)

    def _load(self) -> None:
        """Read the lines of an earlier run, and cut off an incomplete last line."""
        if not self.path.exists():
            return
        complete_bytes = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    complete_bytes += len(line)
                    self._restore(json.loads(line))
        os.truncate(self.path, complete_bytes)

    def _restore(self, receipt: Mapping[str, Any]) -> None:
        number = receipt["post"]
        self._last_number = max(self._last_number, number)
        if receipt["status"]:
            self.unanswered.pop(number, None)
        else:
            fields = (receipt[name] for name in ("source", "line", "reference", "body"))
            self.unanswered[number] = Post(number, *fields)

    def next_number(self) -> int:
        """Return a number that no post had before."""
        self._last_number += 1
        return self._last_number

    def record_sending(self, post: Post, at: Instant) -> Post:
        """Record that a post is about to be sent, and return the post."""
        self._write({**post.identity(), "status": 0, "sent": at, "body": post.body})
        return post

    def record_answer(
        self, post: Post, at: Instant, status: int, answer: Mapping[str, Any]
    ) -> None:
        """Record intake's answer: the id and position of an accepted input, else the reason."""
        outcome = {
            "id": answer.get("id"),
            "pos": answer.get("position"),
            "why": answer.get("detail"),
        }
        self._write({**post.identity(), "status": status, "answered": at, **outcome})
        self.statuses[status] += 1

    def _write(self, receipt: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(receipt, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        self._file.close()
