"""Checks of reference data before adoption: each against itself and against what is in force.

What would decide cases wrongly is refused. What only lacks a part is reported, and so is what is in
force and no longer fits the new data: it is loaded next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Literal, NamedTuple, assert_never
from zoneinfo import ZoneInfo, available_timezones

from events.catalogue import LINES, URGENCIES, DeadlineRule
from events.deadlines import rule_text
from events.instants import DAY_US, SECOND_US
from events.reference_data import AdmissionList, Content, GridMap, Names, Policies, Roster
from events.texts import UNSEEN_CHARACTER, escape_unseen
from events.topology import DECIDER_VERSIONS

DAYS_MAX = 3_660  # Ten years: a longer limit is a typing error.
AMOUNT_MAX = {"hours": 24 * DAYS_MAX, "days": DAYS_MAX}
ANY = "*"
CODE_CHARS_MAX, TEXT_CHARS_MAX = 64, 200  # As intake takes them in issues and actions.
LANGUAGES = ("zh", "en")
LISTED_MAX = 5  # Codes that a sentence lists.
HINTS_MAX = 20
ZONE_LIKENESS = 0.85  # Many zones are alike: below that, the nearest one is another city.


class Finding(NamedTuple):
    """A fault of reference data: the part that has it, and a sentence with what to do."""

    severity: Literal["refused", "reported"]
    part: str
    what: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.part}: {self.what}"


@dataclass(frozen=True, slots=True)
class InForce:
    """The reference data of a district that are in force."""

    map: GridMap | None = None
    roster: Roster | None = None
    admission: AdmissionList | None = None
    policies: Policies | None = None
    names: Names | None = None

    def with_content(self, content: Content) -> InForce:
        """Return what is in force after an adoption."""
        match content:
            case GridMap():
                return replace(self, map=content)
            case Roster():
                return replace(self, roster=content)
            case AdmissionList():
                return replace(self, admission=content)
            case Policies():
                return replace(self, policies=content)
            case Names():
                return replace(self, names=content)
            case unreachable:
                assert_never(unreachable)


def check_content(content: Content, district: str, in_force: InForce) -> list[Finding]:
    """Return the findings of a content, those that refuse it first."""
    findings = sorted(
        iterate_findings(content, district, in_force),
        key=lambda finding: finding.severity != "refused",
    )
    return list(findings)


def check_decider(version: str) -> list[Finding]:
    """Return the findings of a decider version: every stage would halt before one that is not
    here.
    """
    if version in DECIDER_VERSIONS:
        return []
    near = hint(version, DECIDER_VERSIONS, f"this build has {', '.join(DECIDER_VERSIONS)}")
    return [refuse("version", f"{version!r} is no decider version of this build; {near}")]


def iterate_findings(content: Content, district: str, in_force: InForce) -> Iterator[Finding]:
    """Yield the findings of a content."""
    match content:
        case GridMap():
            yield from check_grid_map(content, district, in_force.roster)
        case Roster():
            yield from check_roster(content, in_force.map)
        case AdmissionList():
            yield from check_admission(content, in_force.policies)
        case Policies():
            yield from check_policies(content, in_force.admission)
        case Names():
            yield from check_names(content)
        case unreachable:
            assert_never(unreachable)


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────


def check_policies(policies: Policies, admission: AdmissionList | None) -> Iterator[Finding]:
    """Yield the findings of policies: zone, time to answer, and each limit."""
    if not is_zone(policies.zone):
        near = hint(policies.zone, zones(), "write for example Asia/Shanghai", ZONE_LIKENESS)
        yield refuse("zone", f"{policies.zone!r} is no zone of the IANA database; {near}")
    within = policies.answer_within
    if within is not None and not SECOND_US <= within <= DAYS_MAX * DAY_US:
        what = (
            f"{within} is no time to answer: it is in microseconds, from a second to {DAYS_MAX:,} "
            f"days; 24 hours are {DAY_US}; null is for ever"
        )
        yield refuse("answer_within", what)
    categories = None if admission is None else [row.category for row in admission.rows]
    for number, rule in enumerate(policies.limits, 1):
        part = f"limit {number} ({rule_text(rule)})"
        yield from check_rule(part, rule, categories)
        yield from check_order(part, rule, policies.limits[: number - 1])


def check_rule(
    part: str, rule: DeadlineRule, categories: Sequence[str] | None
) -> Iterator[Finding]:
    """Yield the findings of one limit. Without an admission list any category is right."""
    yield from check_value(part, "line", rule.line, LINES)
    yield from check_value(part, "urgency", rule.urgency, URGENCIES)
    if fault := text_fault(rule.category, CODE_CHARS_MAX):
        yield refuse(part, f"the category {fault}")
    elif categories is not None:
        what = "a category of the admission list in force"
        yield from check_value(part, "category", rule.category, categories, what)
    if not 1 <= rule.amount <= AMOUNT_MAX[rule.unit]:
        what = f"{rule.amount} {rule.unit} is no limit: give 1 to {AMOUNT_MAX[rule.unit]:,}"
        yield refuse(part, what)


def check_value(
    part: str, field: str, value: str, known: Collection[str], what: str = ""
) -> Iterator[Finding]:
    """Yield a finding if a pattern is neither `*` nor a known value."""
    if value != ANY and value not in known:
        near = hint(value, known, f"known are {list_codes(known)}")
        is_what = f"not {what}" if what else f"no {field}"
        yield refuse(part, f"{value!r} is {is_what}; {near}")


def check_order(part: str, rule: DeadlineRule, before: Sequence[DeadlineRule]) -> Iterator[Finding]:
    """Yield a finding if an earlier limit fits all that this one fits: this one never counts."""
    for number, earlier in enumerate(before, 1):
        if covers(earlier, rule):
            what = (
                f"it never counts, because limit {number} ({rule_text(earlier)}) fits first: "
                "put it before that one, or take it out"
            )
            yield refuse(part, what)
            return


def covers(earlier: DeadlineRule, later: DeadlineRule) -> bool:
    """Return True if a rule fits whatever another one fits."""
    pairs = (
        (earlier.line, later.line),
        (earlier.category, later.category),
        (earlier.urgency, later.urgency),
    )
    return all(pattern in (ANY, other) for pattern, other in pairs)


def is_zone(name: str) -> bool:
    """Return True for a zone of the IANA time zone database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return bool(name)


@cache
def zones() -> frozenset[str]:
    """Return the zones of the IANA time zone database."""
    return frozenset(available_timezones())


# ── Roster ───────────────────────────────────────────────────────────────────────────────────────


def check_roster(roster: Roster, grid_map: GridMap | None) -> Iterator[Finding]:
    """Yield the findings of a roster: its grids and units must be those of the map in force."""
    for grid, worker in roster.workers.items():
        if fault := text_fault(worker, CODE_CHARS_MAX):
            yield refuse(f"worker of {grid}", f"the code {fault}")
    yield from find_repeats("receivers", "unit", [receiver.unit for receiver in roster.receivers])
    for receiver in roster.receivers:
        for role, code in (("officer", receiver.officer), ("deputy", receiver.deputy)):
            if code is not None and (fault := text_fault(code, CODE_CHARS_MAX)):
                yield refuse(f"receiver of {receiver.unit}", f"the code of the {role} {fault}")
        if receiver.officer is None and receiver.deputy is not None:
            what = "it has a deputy and no officer: name the deputy as the officer"
            yield refuse(f"receiver of {receiver.unit}", what)
    if grid_map is None:
        what = "no map is in force, so that its grids are unknown: gridcall map load comes first"
        yield refuse("workers", what)
        return
    grids, units = grids_of(grid_map), units_of(grid_map)
    named = list(roster.workers)
    yield from find_unknown("worker of", "a grid of the map in force", named, grids)
    named = [receiver.unit for receiver in roster.receivers]
    what = "a street of the map in force, nor its district"
    yield from find_unknown("receiver of", what, named, units)
    yield from missing_people(roster, grids, units)


def find_unknown(
    part: str, what: str, named: Sequence[str], known: Collection[str]
) -> Iterator[Finding]:
    """Yield the codes that are not known, the first of them with the nearest known one."""
    wrong = [code for code in named if code not in known]
    for code in wrong[:HINTS_MAX]:
        near = hint(code, known, f"known are {list_codes(known)}")
        yield refuse(f"{part} {code}", f"{code!r} is not {what}; {near}")
    if wrong[HINTS_MAX:]:
        yield refuse(part, f"{len(wrong) - HINTS_MAX:,} more are not {what}")


def missing_people(
    roster: Roster, grids: Collection[str], units: Collection[str]
) -> Iterator[Finding]:
    """Yield the grids without a gridworker, and the units without an officer."""
    without = sorted(grid for grid in grids if grid not in roster.workers)
    if without:
        what = f"{len(without):,} grids have no gridworker: {list_codes(without)}"
        yield Finding("reported", "workers", what)
    reachable = {receiver.unit for receiver in roster.receivers if receiver.officer is not None}
    silent = sorted(unit for unit in units if unit not in reachable)
    if silent:
        what = f"{len(silent):,} units have no officer, so that nobody is named in their calls: "
        yield Finding("reported", "receivers", what + list_codes(silent))


# ── Admission list, names, map ───────────────────────────────────────────────────────────────────


def check_admission(admission: AdmissionList, policies: Policies | None) -> Iterator[Finding]:
    """Yield the findings of an admission list, and the limits in force that do not fit it."""
    categories = [row.category for row in admission.rows]
    yield from find_repeats("rows", "category", categories)
    for number, row in enumerate(admission.rows, 1):
        if fault := text_fault(row.category, CODE_CHARS_MAX):
            yield refuse(f"row {number}", f"the category {fault}")
        if not row.rule.strip():
            what = "the rule is empty: name the row of the list that says so, because it is cited"
            yield refuse(f"row {number} ({row.category})", what)
    if not admission.rows:
        what = "it has no row: every case would belong to the district"
        yield refuse("rows", what)
    limits = policies.limits if policies else ()
    lost = sorted({rule.category for rule in limits} - {ANY, *categories})
    if lost:
        what = (
            f"limits in force name {list_codes(lost)}, which it does not have: "
            "load policies that fit next"
        )
        yield Finding("reported", "rows", what)


def check_names(names: Names) -> Iterator[Finding]:
    """Yield the findings of names: their languages, and empty texts."""
    for code, texts in names.names.items():
        for language, text in texts.items():
            if language not in LANGUAGES:
                near = hint(language, LANGUAGES, f"known are {list_codes(LANGUAGES)}")
                yield refuse(f"names of {code}", f"{language!r} is no language of the page; {near}")
            if not text.strip():
                yield refuse(f"names of {code}", f"the name in {language!r} is empty")


def check_grid_map(grid_map: GridMap, district: str, roster: Roster | None) -> Iterator[Finding]:
    """Yield the findings of a map, and the roster in force where it does not fit."""
    if grid_map.district != district:
        what = (
            f"it is the map of {grid_map.district!r}, not of {district!r}: "
            "the profile names the district"
        )
        yield refuse("district", what)
    if not grid_map.grids:
        yield refuse("grids", "it has none: a map needs at least one grid")
    codes = [grid.code for grid in grid_map.grids]
    yield from find_repeats("grids", "code", codes)
    for grid in grid_map.grids:
        for field, code in (("code", grid.code), ("street", grid.street)):
            if fault := text_fault(code, CODE_CHARS_MAX):
                yield refuse(f"grid {grid.code}", f"the {field} {fault}")
    if district in {grid.street for grid in grid_map.grids}:
        what = f"a street has the district's code {district!r}: their calls would be one unit's"
        yield refuse("grids", what)
    if roster is not None:
        yield from check_fit(roster, set(codes), units_of(grid_map))


def check_fit(roster: Roster, grids: Collection[str], units: Collection[str]) -> Iterator[Finding]:
    """Yield what the roster in force has or lacks under a new map."""
    lost = sorted(grid for grid in roster.workers if grid not in grids)
    lost += sorted(each.unit for each in roster.receivers if each.unit not in units)
    if lost:
        what = (
            f"the roster in force names {list_codes(lost)}, which the map does not have: "
            "load a roster that fits next"
        )
        yield Finding("reported", "roster", what)
    yield from missing_people(roster, grids, units)


def grids_of(grid_map: GridMap) -> frozenset[str]:
    """Return the codes of the grids."""
    return frozenset(grid.code for grid in grid_map.grids)


def units_of(grid_map: GridMap) -> frozenset[str]:
    """Return the codes of the streets and of the district."""
    return frozenset({grid_map.district, *(grid.street for grid in grid_map.grids)})


# ── Sentences ────────────────────────────────────────────────────────────────────────────────────


def refuse(part: str, what: str) -> Finding:
    """Return a finding for which nothing is adopted."""
    return Finding("refused", part, what)


def find_repeats(part: str, field: str, values: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each value that is there more than once."""
    for value, count in sorted(Counter(values).items()):
        if count > 1:
            yield refuse(part, f"the {field} {value!r} is there {count} times: keep one")


def text_fault(text: str, chars_max: int) -> str | None:
    """Return what is wrong with a code, as a phrase; None if nothing is."""
    if not text.strip():
        return "is empty: fill it in"
    if text != text.strip():
        return f"{text!r} begins or ends with a blank: take it out"
    if len(text) > chars_max:
        return f"has {len(text):,} characters, at most {chars_max} are possible: shorten it"
    if UNSEEN_CHARACTER.search(text):
        return f"{escape_unseen(text)!r} has a character that nobody sees: take it out"
    return None


def hint(value: str, known: Collection[str], otherwise: str, likeness: float = 0.6) -> str:
    """Return a question for the nearest known value, or another phrase if none is near."""
    near = get_close_matches(value, known, n=1, cutoff=likeness)
    return f"did you mean {near[0]!r}?" if near else otherwise


def list_codes(values: Collection[str]) -> str:
    """Return the first of some values as text, and how many more there are."""
    shown = (
        list(values)[:LISTED_MAX] if isinstance(values, Sequence) else sorted(values)[:LISTED_MAX]
    )
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
