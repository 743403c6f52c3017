"""The 17 platforms: what they send, and when."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from events.catalogue import DeadlineRule
from events.deadlines import due
from events.instants import rfc3339
from gridcall.demo.licheng.platforms import PLATFORMS
from gridcall.demo.licheng.units import ZONE
from gridcall.demo.traffic.clock import HOUR, MINUTE, DistrictClock
from gridcall.demo.traffic.issues import (
    CATEGORY_SHARES,
    all_grids,
    break_issue,
    choose,
    grids_by_street,
    issue_content,
)
from gridcall.demo.traffic.receipts import Post, Receipts

LINE_SHARES = {"grid": 46, "hotline": 33, "sentiment": 15, "petition": 6}
LATE, EARLY, BROKEN, WITHDRAWN = 0.025, 0.025, 0.01, 0.015
# Suppliers of the hotline, each with a category of its own.
SUPPLIERS = {"water": "water-desk", "power": "power-desk", "heating": "heat-desk"}
SOURCES = {
    line: [
        platform.source
        for platform in PLATFORMS
        if platform.line == line and platform.source not in SUPPLIERS.values()
    ]
    for line in LINE_SHARES
}
STORM_CATEGORIES = ("drainage", "tree", "drainage", "power")
PROMISED_DAYS = (5, 15, 60)

TimedPost = tuple[float, Post]  # Seconds of the district until it is sent, and the post.


def source_of(line: str, category: str, chance: random.Random) -> str:
    """Return the platform of a line that reports a matter of a category."""
    if line == "hotline" and category in SUPPLIERS:
        return SUPPLIERS[category]
    return chance.choice(SOURCES[line])


class Platforms:
    """All platforms. Each method yields posts with the seconds after which they are sent."""

    def __init__(self, receipts: Receipts, clock: DistrictClock, chance: random.Random) -> None:
        self._receipts = receipts
        self._clock = clock
        self._chance = chance

    def report_any(self) -> Iterator[TimedPost]:
        """Yield an issue of an ordinary day."""
        line = choose(self._chance, LINE_SHARES)
        category = choose(self._chance, CATEGORY_SHARES[line])
        yield from self.report(line, category, self._chance.choice(all_grids()), 0)

    def report_burst(self) -> Iterator[TimedPost]:
        """Yield the issues of a storm over a street, or of a water failure in a community."""
        if self._chance.random() < 0.6:
            street = self._chance.choice(sorted(grids_by_street()))
            grids, lines = grids_by_street()[street], ("grid", "grid", "hotline")
            yield from self._report_many(grids, lines, STORM_CATEGORIES, 40, HOUR)
        else:
            community = self._chance.choice(all_grids())[:12]
            grids = [code for code in all_grids() if code.startswith(community)]
            lines = ("hotline", "hotline", "sentiment")
            yield from self._report_many(grids, lines, ("water",), 25, HOUR / 2)

    def _report_many(
        self,
        grids: Sequence[str],
        lines: Sequence[str],
        categories: Sequence[str],
        count: int,
        seconds: float,
    ) -> Iterator[TimedPost]:
        for _ in range(count):
            line, category, grid = (
                self._chance.choice(choices) for choices in (lines, categories, grids)
            )
            yield from self.report(line, category, grid, self._chance.uniform(0, seconds))

    def report(self, line: str, category: str, grid: str, after: float) -> Iterator[TimedPost]:
        """Yield an issue: correct, broken, late, or behind its action. Some are withdrawn."""
        post, luck = self._issue(line, category, grid), self._chance.random()
        if luck < BROKEN:
            yield after, break_issue(post, self._chance)
        elif luck < BROKEN + LATE:
            yield after + self._chance.uniform(5 * MINUTE, HOUR), post
        elif line == "grid" and luck < BROKEN + LATE + EARLY / LINE_SHARES["grid"] * 100:
            yield after, self._action_about(post, "visit_made", by=f"w-{grid}")
            yield after + self._chance.uniform(MINUTE, 4 * MINUTE), post
        else:
            yield after, post
        if luck > 1 - WITHDRAWN:
            withdrawal = self._action_about(post, "issue_withdrawn", because="settled")
            yield after + self._chance.uniform(HOUR / 2, 3 * HOUR), withdrawal

    def _issue(self, line: str, category: str, grid: str) -> Post:
        """Return a new issue."""
        source, number = source_of(line, category, self._chance), self._receipts.next_number()
        issue = {
            "reference": f"{source}-{number:06}",
            **issue_content(category, grid, self._chance),
            **self._promise(line),
        }
        return Post(number, source, line, issue["reference"], json.dumps(issue))

    def _promise(self, line: str) -> dict[str, Any]:
        """Return the deadline that the petition office promised with some petitions."""
        if line != "petition" or self._chance.random() < 0.6:
            return {}
        amount = self._chance.choice(PROMISED_DAYS)
        rule = DeadlineRule(line=line, category="*", urgency="*", amount=amount, unit="days")
        return {"due": rfc3339(due(rule, self._clock.now(), ZONE))}

    def _action_about(self, post: Post, kind: str, **fields: str) -> Post:
        """Return a platform's action about an issue of its own, which it names by its reference."""
        number = self._receipts.next_number()
        reference = f"{post.source}-{number:06}"
        issue = {"line": post.line, "reference": post.reference}
        body = {"reference": reference, "type": kind, "issue": issue, **fields}
        return Post(number, post.source, None, reference, json.dumps(body))
