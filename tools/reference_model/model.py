"""What `gridcall simulate` must write, worked out a second time: each row straight from its record, without events or clocks.

It shares no code with the product, so that the two can only agree by reading the same contract. It checks no map and no
profile, gives no reasons for what it rejects, and leaves out the summary's `log`, whose digests only the product can know.

    python tools/reference_model/model.py --profile FILE --map DIR --until TIME FILE…
"""

import argparse
import csv
import gzip
import hashlib
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import shapely
import yaml
from shapely.geometry import shape

Spec = dict[str, Any]  # A part of the profile; every scalar in it is text.
Cell = str | int

LINES = ("grid", "sentiment", "hotline", "petition")
PLACES = ("point", "grid", "street", "none")
VERDICTS = ("none", "overdue", "on_time", "running")
RULES = (
    "ended_before_reported",
    "no_due",
    "no_point",
    "unknown_point",
    "outside_map",
    "in_two_grids",
    "gap_time",
    "overlap_time",
    "closed_without_time",
)
CASES = "reference,line,category,case,located_by,grid,street,district,reported,due,ended,state,verdict,rules"
CALLS = (
    "raised,reference,case,from,to,receiver,because,answer_due,acknowledged,answered,ended,outcome"
)
FIGURES = "reported,ended,due,in_time,missed,on_time_bp,open_at_end,overdue_at_end,calls_raised,calls_answered"
EVALUATIONS = f"period,worker,grid,street,{FIGURES}"
REJECTED = "file,line,reference,column,value,reason"
TO_QUOTE = re.compile('[,"\r\n]')


class Fault(Exception):
    """The row cannot become an issue, because of this column."""

    def __init__(self, column: str, value: str) -> None:
        super().__init__(column, value)
        self.column, self.value = column, value


@dataclass(frozen=True)
class Row:
    """A line of a file: the trimmed cells that the profile names; in `known`, those that it calls blank are empty."""

    file: str
    number: int
    cells: dict[str, str]
    known: dict[str, str]
    whole: bool  # It has as many cells as the header.


@dataclass(frozen=True)
class Moment:
    utc: datetime
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    located_by: str
    grid: str
    street: str
    rules: frozenset[str]


@dataclass(frozen=True)
class Record:
    """A row that could be read: all that the case is computed from."""

    row: Row
    reference: str
    line: str
    category: str
    reported: Moment
    due: Moment | None
    ended: Moment | None
    status: str  # What the source says: open, closed or withdrawn.
    place: Place
    published: str


@dataclass(frozen=True)
class Call:
    raised: datetime
    source: str  # The level that calls; `from` is a keyword.
    to: str
    because: str
    answer_due: datetime | None


@dataclass(frozen=True)
class Case:
    record: Record
    id: str
    reported: datetime
    due: datetime | None
    ended: datetime | None
    state: str
    verdict: str
    rules: frozenset[str]
    calls: tuple[Call, ...]


# Reading the files


def read_rows(path: Path, profile: Spec) -> Iterator[Row]:
    settings = profile.get("csv", {})
    csv.field_size_limit(
        2**31 - 1
    )  # A quote that is never closed makes a long cell, which is dirt like any other.
    with open_text(path, settings.get("encoding", "utf-8")) as text:
        reader = csv.reader(text, delimiter=settings.get("delimiter", ","))
        header = [name.strip() for name in next(reader)]
        places = {name: header.index(name) for name in named_columns(profile)}
        number = (
            reader.line_num + 1
        )  # A quoted cell may hold line ends: a row is known by its first physical line.
        for cells in reader:
            trimmed = {
                name: cells[i].strip() if i < len(cells) else "" for name, i in places.items()
            }
            known = {
                name: "" if cell in settings.get("blank", [""]) else cell
                for name, cell in trimmed.items()
            }
            yield Row(path.name, number, trimmed, known, whole=len(cells) == len(header))
            number = reader.line_num + 1


def open_text(path: Path, encoding: str) -> TextIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def named_columns(profile: Spec) -> list[str]:
    """The columns whose cells are a row's content."""
    state = profile.get("ended", {}).get("state")
    parts = [
        profile.get(key)
        for key in ("reference", "line", "category", "reported", "due", "ended", "published")
    ]
    columns = [part["column"] for part in [*parts, state] if part]
    for kind, spec in claims(profile):
        columns += [spec["lat"], spec["lon"]] if kind == "point" else [spec["column"]]
    return columns


def claims(profile: Spec) -> list[tuple[str, Spec]]:
    """What a row can say of its place, in the order in which it is believed."""
    return [item for claim in profile["place"] for item in claim.items()]


# Times


def read_moment(spec: Spec | None, row: Row, zone: ZoneInfo) -> Moment | None:
    """None if the profile names no such column, or the cell is blank."""
    if spec is None or not row.known[spec["column"]]:
        return None
    try:
        written = parse_time(row.known[spec["column"]], spec["formats"])
        return in_zone(end_of_day(written, zone) if spec.get("day") == "end" else written, zone)
    except (
        ValueError,
        OverflowError,
    ):  # Overflow: a time next to the year 1 or 9999 that UTC has no date for.
        raise Fault(spec["column"], row.cells[spec["column"]]) from None


def parse_time(text: str, formats: Iterable[str]) -> datetime:
    for form in formats:
        try:
            return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(text)


def end_of_day(written: datetime, zone: ZoneInfo) -> datetime:
    local = written.astimezone(zone) if written.tzinfo else written
    return datetime.combine(local.date(), time.max)


def in_zone(written: datetime, zone: ZoneInfo) -> Moment:
    """A time without an offset is local; where the clock jumps, PEP 495 with fold=0 says which instant it is."""
    if written.tzinfo:
        return Moment(written.astimezone(UTC))
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    # The clock goes forward where the later offset is the greater: those times never were. Else they were twice.
    rules = {"gap_time"} if before < after else {"overlap_time"} if before > after else set()
    return Moment(first.astimezone(UTC), frozenset(rules))


def parse_duration(text: str) -> timedelta | None:
    """An ISO 8601 duration of fixed length; None for `never`."""
    if text == "never":
        return None
    form = r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
    match = re.fullmatch(form, text)
    assert match, f"answer_within: {text} is no ISO 8601 duration"
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def written_time(instant: datetime | None) -> str:
    """`isoformat` leaves the microseconds out where they are zero, as the contract does."""
    return instant.replace(tzinfo=None).isoformat() + "Z" if instant else ""


# Places


class CityMap:
    """The grids of the map, each with its street."""

    def __init__(self, profile: Spec, folder: Path) -> None:
        grids, streets = profile["map"]["grids"], profile["map"]["streets"]
        features = json.loads((folder / grids["file"]).read_text(encoding="utf-8"))["features"]
        self.codes = [str(feature["properties"][grids["code"]]) for feature in features]
        names = [pad(str(feature["properties"][streets["from"]]), streets) for feature in features]
        self.street_of = dict(zip(self.codes, names, strict=True))
        self.streets = set(names)
        self.tree = shapely.STRtree([shape(feature["geometry"]) for feature in features])
        self.grids_at = cache(
            self.search
        )  # Sources round: most of a year's points have been seen before.

    def search(self, latitude: float, longitude: float) -> list[str]:
        """A point on a border is in both grids: `intersects` counts the border, `contains` would not."""
        return [
            self.codes[i]
            for i in self.tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        ]


def locate(profile: Spec, city: CityMap, row: Row) -> Place:
    rules: set[str] = (
        set()
    )  # Filled claim by claim: those after the one that answered leave no rule.
    for kind, spec in claims(profile):
        code = (
            grid_at_point(spec, row, city, rules) if kind == "point" else declared_code(spec, row)
        )
        if kind == "street" and code in city.streets:
            return Place(kind, "", code, frozenset(rules))
        if kind != "street" and code in city.street_of:
            return Place(kind, code, city.street_of[code], frozenset(rules))
    return Place("none", "", "", frozenset(rules))


def grid_at_point(spec: Spec, row: Row, city: CityMap, rules: set[str]) -> str:
    point = read_point(spec, row)
    if point is None:
        rules.add("no_point")
        return ""
    if is_unknown(point, spec):
        rules.add("unknown_point")
        return ""
    codes = city.grids_at(*point)
    if len(codes) != 1:
        rules.add("in_two_grids" if codes else "outside_map")
    return min(codes, default="")


def read_point(spec: Spec, row: Row) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, or None if one of them is blank. One that stands there must be right, though."""
    latitude = read_degrees(spec["lat"], 90, row)
    longitude = read_degrees(spec["lon"], 180, row)
    return None if latitude is None or longitude is None else (latitude, longitude)


def read_degrees(column: str, limit: int, row: Row) -> float | None:
    if not row.known[column]:
        return None
    try:
        degrees = float(row.known[column])
    except ValueError:
        raise Fault(column, row.cells[column]) from None
    if not math.isfinite(degrees) or abs(degrees) > limit:
        raise Fault(column, row.cells[column])
    return degrees


def is_unknown(point: tuple[float, float], spec: Spec) -> bool:
    """The source writes some points where it knows none. Only this comparison rounds, not the search on the map."""

    def rounded(pair: Iterable[Any]) -> list[float]:
        return [
            round(float(x), int(spec["decimals"])) if "decimals" in spec else float(x) for x in pair
        ]

    return rounded(point) in [rounded(pair) for pair in spec.get("unknown", [])]


def declared_code(spec: Spec, row: Row) -> str:
    code = row.known[spec["column"]]
    if "drop" in spec:
        code = re.sub(spec["drop"], "", code, count=1)
    if "keep" in spec:
        match = re.search(spec["keep"], code)
        code = (match.group(1) or "") if match else ""
    return pad(code, spec) if code else ""  # Nothing, padded, could be a code.


def pad(code: str, spec: Spec) -> str:
    return code.rjust(int(spec.get("pad", 0)), "0")


# From rows to records


def read_record(profile: Spec, city: CityMap, zone: ZoneInfo, row: Row) -> Record:
    """Raises Fault for the first fault, in the order of the profile's keys."""
    if not row.whole:
        raise Fault("", "")
    return Record(
        row=row,
        reference=required(row, profile["reference"]["column"]),
        line=read_line(profile["line"], row),
        category=row.known[profile["category"]["column"]],
        reported=read_reported(profile, row, zone),
        due=read_moment(profile.get("due"), row, zone),
        ended=read_moment(profile.get("ended"), row, zone),
        status=read_status(profile, row),
        place=read_place(profile, city, row),
        published=row.known[profile["published"]["column"]] if "published" in profile else "",
    )


def required(row: Row, column: str) -> str:
    if not row.known[column]:
        raise Fault(column, row.cells[column])
    return row.known[column]


def read_line(spec: Spec, row: Row) -> str:
    line = mapped(spec, row)
    if line == "refuse":
        raise Fault(spec["column"], row.cells[spec["column"]])
    return line


def mapped(spec: Spec, row: Row) -> str:
    """A blank cell is `otherwise`, even if the values had an entry for it."""
    cell = row.known[spec["column"]]
    return str(spec["values"].get(cell, spec["otherwise"]) if cell else spec["otherwise"])


def read_reported(profile: Spec, row: Row, zone: ZoneInfo) -> Moment:
    required(row, profile["reported"]["column"])
    moment = read_moment(profile["reported"], row, zone)
    assert moment is not None
    return moment


def read_status(profile: Spec, row: Row) -> str:
    """Without a column of states, the ending time alone says whether it ended."""
    ended = profile.get("ended", {})
    if "state" in ended:
        return mapped(ended["state"], row)
    return "closed" if ended and row.known[ended["column"]] else "open"


def read_place(profile: Spec, city: CityMap, row: Row) -> Place:
    """A coordinate that cannot be read rejects the row even where an earlier claim answers."""
    for kind, spec in claims(profile):
        if kind == "point":
            read_point(spec, row)
    return locate(profile, city, row)


# Which rows become issues


@dataclass
class Intake:
    """What became of the rows: rows = records + rejected + duplicates + after_until."""

    rows: int
    records: list[Record]
    rejected: list[list[Cell]]
    duplicates: int
    after_until: int


def take_in(profile: Spec, city: CityMap, inputs: Iterable[Path], until: datetime) -> Intake:
    rows = [row for path in inputs for row in read_rows(path, profile)]
    readable, rejected = split_readable(profile, city, rows)
    first, again = split_by_reference(readable)
    column = profile["reference"]["column"]
    differing = [
        record for record in again if record.row.cells != first[record.reference].row.cells
    ]
    rejected += [
        rejection(record.row, record.reference, column, record.reference) for record in differing
    ]
    records = [record for record in first.values() if record.reported.utc < until]
    duplicates, after_until = len(again) - len(differing), len(first) - len(records)
    return Intake(
        len(rows),
        records,
        sorted(rejected, key=lambda cells: (cells[0], cells[1])),
        duplicates,
        after_until,
    )


def split_readable(
    profile: Spec, city: CityMap, rows: Iterable[Row]
) -> tuple[list[Record], list[list[Cell]]]:
    zone = ZoneInfo(profile["zone"])
    records, rejected = [], []
    for row in rows:
        try:
            records.append(read_record(profile, city, zone, row))
        except Fault as fault:
            # Where cells are missing or too many, none is sure to stand in its column: then the reference is not known.
            reference = row.known[profile["reference"]["column"]] if row.whole else ""
            rejected.append(rejection(row, reference, fault.column, fault.value))
    return records, rejected


def split_by_reference(records: list[Record]) -> tuple[dict[str, Record], list[Record]]:
    """The first row of each reference by (reported, file, line), and the rows that met it again."""
    ordered = sorted(records, key=lambda r: (r.reported.utc, r.row.file, r.row.number))
    first = {
        record.reference: record for record in reversed(ordered)
    }  # What is written last stays.
    return first, [record for record in ordered if first[record.reference] is not record]


def rejection(row: Row, reference: str, column: str, value: str) -> list[Cell]:
    return [row.file, row.number, reference, column, value, ""]


# From records to cases and their calls


def make_case(profile: Spec, record: Record, until: datetime) -> Case:
    reported, due = record.reported.utc, record.due.utc if record.due else None
    source_ended = (
        record.ended if record.ended and record.ended.utc < until else None
    )  # Later ones are not known yet.
    ended = (
        max(source_ended.utc, reported) if source_ended else None
    )  # One that came too early waits for its report.
    early = source_ended is not None and source_ended.utc < reported
    verdict = judge(due, ended, early, until)
    return Case(
        record=record,
        id=case_id(profile, record),
        reported=reported,
        due=due,
        ended=ended,
        state=state(record, ended),
        verdict=verdict,
        rules=rules_of(record, source_ended, early),
        calls=tuple(raise_calls(profile, record, ended, until)) if verdict == "overdue" else (),
    )


def case_id(profile: Spec, record: Record) -> str:
    identity = [
        profile["map"]["district"]["code"],
        profile["profile"],
        record.line,
        record.reference,
    ]
    text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def state(record: Record, ended: datetime | None) -> str:
    """The ending time decides; the status only says which ending it was."""
    if ended is None:
        return "open"
    return "withdrawn" if record.status == "withdrawn" else "closed"


def judge(due: datetime | None, ended: datetime | None, early: bool, until: datetime) -> str:
    if due is None:
        return "none"
    if early:
        return "on_time"  # The clock stops in the decision that starts it, however long ago it was due.
    if ended is not None:
        return "on_time" if ended <= due else "overdue"
    return "overdue" if due < until else "running"


def rules_of(record: Record, ended: Moment | None, early: bool) -> frozenset[str]:
    moments = [moment for moment in (record.reported, record.due, ended) if moment]
    rules = record.place.rules.union(*(moment.rules for moment in moments))
    if early:
        rules |= {"ended_before_reported"}
    if record.due is None:
        rules |= {"no_due"}
    if record.ended is None and record.status != "open":
        rules |= {"closed_without_time"}
    return rules


def raise_calls(
    profile: Spec, record: Record, ended: datetime | None, until: datetime
) -> Iterator[Call]:
    """The calls of a case whose deadline was missed."""
    assert record.due is not None
    answer_within = parse_duration(profile["calls"]["answer_within"])
    raised = max(record.due.utc, record.reported.utc)
    answer_due = raised + answer_within if answer_within is not None else None
    source, to = levels(record.place)
    yield Call(raised, source, to, "deadline", answer_due)
    if (
        to == "street"
        and answer_due
        and answer_within is not None
        and silent(answer_due, ended, until)
    ):
        yield Call(answer_due, "street", "district", "silence", answer_due + answer_within)


def levels(place: Place) -> tuple[str, str]:
    """The level that holds the case, and the one that it calls."""
    if place.grid:
        return "grid", "street"
    return ("street", "district") if place.street else ("district", "district")


def silent(answer_due: datetime, ended: datetime | None, until: datetime) -> bool:
    """As with a deadline, an ending at the very instant is in time. No data set holds answers."""
    return answer_due < until and (ended is None or answer_due < ended)


# The tables


def cases_table(profile: Spec, cases: Iterable[Case]) -> str:
    district = profile["map"]["district"]["code"]
    ordered = sorted(cases, key=lambda case: (case.reported, case.record.reference))
    return table(CASES, [case_cells(case, district) for case in ordered])


def case_cells(case: Case, district: str) -> list[Cell]:
    record, place = case.record, case.record.place
    about: list[Cell] = [record.reference, record.line, record.category, case.id]
    where = [place.located_by, place.grid, place.street, district]
    when = [written_time(instant) for instant in (case.reported, case.due, case.ended)]
    return [*about, *where, *when, case.state, case.verdict, ";".join(sorted(case.rules))]


def calls_table(profile: Spec, cases: Iterable[Case]) -> str:
    district = profile["map"]["district"]["code"]
    calls = [(call, case) for case in cases for call in case.calls]
    calls.sort(
        key=lambda both: (both[0].raised, both[1].record.reference, both[0].to == "district")
    )
    return table(CALLS, [call_cells(call, case, district) for call, case in calls])


def call_cells(call: Call, case: Case, district: str) -> list[Cell]:
    receiver = case.record.place.street if call.to == "street" else district
    what = [
        written_time(call.raised),
        case.record.reference,
        case.id,
        call.source,
        call.to,
        receiver,
        call.because,
    ]
    return [*what, written_time(call.answer_due), "", "", written_time(case.ended), outcome(case)]


def outcome(case: Case) -> str:
    """Nobody answers in a data set: a call ends with its case, or not at all."""
    return "withdrawn" if case.ended else "open"


def evaluations_table(profile: Spec, cases: Iterable[Case], until: datetime) -> str:
    zone = ZoneInfo(profile["zone"])
    of_grid: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.record.place.grid:  # The others are on nobody's sheet.
            of_grid[case.record.place.grid].append(case)
    rows = [row for grid, its in of_grid.items() for row in sheets(grid, its, zone, until)]
    return table(EVALUATIONS, sorted(rows, key=lambda row: (row[0], row[1])))


def sheets(grid: str, cases: list[Case], zone: ZoneInfo, until: datetime) -> Iterator[list[Cell]]:
    """One row for each month in which something of this grid's was counted."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for instant, figure in counted(case, until):
            counts[instant.astimezone(zone).isoformat()[:7]][figure] += 1
    for period, count in counts.items():
        count.update(open_cases(cases, min(end_of_month(period, zone), until)))
        figures = [
            on_time_bp(count) if name == "on_time_bp" else count[name]
            for name in FIGURES.split(",")
        ]
        yield [period, "w:" + grid, grid, cases[0].record.place.street, *figures]


def counted(case: Case, until: datetime) -> Iterator[tuple[datetime, str]]:
    yield case.reported, "reported"
    if case.ended:
        yield case.ended, "ended"
    if case.due and case.due < until:
        yield case.due, "due"
        yield case.due, "missed" if case.verdict == "overdue" else "in_time"
    for call in case.calls:
        yield call.raised, "calls_raised"


def open_cases(cases: Iterable[Case], end: datetime) -> dict[str, int]:
    """Half-open: what happens at `end` itself has not happened yet."""
    still_open = [
        case for case in cases if case.reported < end and not (case.ended and case.ended < end)
    ]
    overdue = [case for case in still_open if case.due and case.due < end]
    return {"open_at_end": len(still_open), "overdue_at_end": len(overdue)}


def end_of_month(period: str, zone: ZoneInfo) -> datetime:
    year, month = map(int, period.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)


def on_time_bp(count: Counter[str]) -> Cell:
    """Basis points; `round` of a fraction is exact and goes half to even."""
    return round(Fraction(10_000 * count["in_time"], count["due"])) if count["due"] else ""


def table(header: str, rows: Iterable[Sequence[Cell]]) -> str:
    lines = [header, *(",".join(quoted(str(cell)) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if TO_QUOTE.search(cell) else cell


# The summary


def summary(profile: Spec, intake: Intake, cases: list[Case], until: datetime) -> str:
    located_by = Counter(case.record.place.located_by for case in cases)
    figures = {
        "format": int(profile["format"]),
        "profile": profile["profile"],
        "until": written_time(until),
        "rows": intake.rows,
        "rejected": len(intake.rejected),
        "duplicates": intake.duplicates,
        "after_until": intake.after_until,
        "accepted": len(cases),
        "issues": issues(cases),
        "cases": len({case.id for case in cases}),
        "located_by": every(PLACES, located_by),
        "lines": every(LINES, Counter(case.record.line for case in cases)),
        "verdicts": every(VERDICTS, Counter(case.verdict for case in cases)),
        "rules": every(RULES, Counter(rule for case in cases for rule in case.rules)),
        "not_attributed": located_by["street"] + located_by["none"],
        "calls": {level: calls_to(level, cases) for level in ("street", "district")},
        "published": published(profile.get("published"), cases),
    }
    return json.dumps(figures, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def every(keys: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    return {key: counts[key] for key in keys}


def issues(cases: Iterable[Case]) -> dict[str, int]:
    """A case is parked only by a fault of the program, and the contract has none."""
    states = Counter(issue_state(case) for case in cases)
    return every(("open", "closed", "withdrawn", "awaiting_dispatcher", "parked"), states)


def issue_state(case: Case) -> str:
    return (
        "awaiting_dispatcher" if case.state == "open" and not case.record.place.grid else case.state
    )


def calls_to(level: str, cases: Iterable[Case]) -> dict[str, int]:
    outcomes = Counter(outcome(case) for case in cases for call in case.calls if call.to == level)
    return {"raised": outcomes.total(), **every(("answered", "withdrawn", "open"), outcomes)}


def published(spec: Spec | None, cases: Iterable[Case]) -> dict[str, int]:
    """The source knows only overdue or not; to be not overdue it is enough to have no deadline."""
    counts: Counter[str] = Counter()
    for case in cases if spec else ():
        assert spec is not None
        value = case.record.published
        if value in spec["overdue"] or value in spec["not_overdue"]:
            counts["compared"] += 1
            counts["differ"] += (value in spec["overdue"]) != (case.verdict == "overdue")
        else:
            counts["blank"] += 1
    return every(("compared", "differ", "blank"), counts)


def oracle(profile: Path, map_dir: Path, inputs: list[Path], until: str) -> dict[str, str]:
    """The text of each file that `simulate` must write for these inputs, by its name."""
    spec: Spec = yaml.load(
        profile.read_text(encoding="utf-8"), Loader=yaml.BaseLoader
    )  # A code 0101 must stay text.
    end = in_zone(datetime.fromisoformat(until), ZoneInfo(spec["zone"])).utc
    intake = take_in(spec, CityMap(spec, map_dir), inputs, end)
    cases = [make_case(spec, record, end) for record in intake.records]
    return {
        "cases.csv": cases_table(spec, cases),
        "calls.csv": calls_table(spec, cases),
        "evaluations.csv": evaluations_table(spec, cases, end),
        "rejected.csv": table(REJECTED, intake.rejected),
        "summary.json": summary(spec, intake, cases, end),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Print the summary that `gridcall simulate` must come to."
    )
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--until", required=True)
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FILE")
    given = parser.parse_args()
    sys.stdout.write(oracle(given.profile, given.map, given.inputs, given.until)["summary.json"])


if __name__ == "__main__":
    main()
