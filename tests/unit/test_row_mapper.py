"""Intake: a raw row becomes an issue, or is refused by column, value and reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import PlaceClaim
from events.errors import Invalid
from events.instants import rfc3339
from gridcall.simulation.city.header import Header
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.place_claims import make_code
from gridcall.simulation.city.profile import Code, Profile, TimeColumn
from gridcall.simulation.city.profile_loader import ProfileError, load_profile
from gridcall.simulation.city.row_mapper import RowMapper
from intake.core.identity import action_id, issue_id
from tests.harness.exampleville import changed_profile
from tests.harness.paths import ROOT

PROFILE_PATH = ROOT / "profiles" / "exampleville.yaml"
PROFILE, LINES = load_profile(PROFILE_PATH)
HEADER = [
    "id",
    "channel",
    "type",
    "opened",
    "target",
    "closed",
    "status",
    "area",
    "ward",
    "latitude",
    "longitude",
    "verdict",
]
GOOD = [
    "R", "Phone", "Noise", "2019-06-03T09:00:00", "07/06/2019", "2019-06-05T09:00:00", "Done",
    "102", "Ward 1", "53.3350", "-6.2850", "OK",
]  # fmt: skip
SECOND = 1_000_000
JUNE_3 = 1_559_548_800 * SECOND  # 2019-06-03T08:00:00Z


def row(**changed: str) -> list[str]:
    return [changed.get(column, cell) for column, cell in zip(HEADER, GOOD, strict=True)]


def mapper() -> RowMapper:
    return RowMapper(PROFILE, Header(PROFILE, HEADER))


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_becomes_one_normalised_issue_and_the_action_that_ended_it() -> None:
    record = mapper().read(row())
    assert record.reported == JUNE_3
    assert (record.issue.line, record.issue.reference, record.issue.category) == (
        "hotline",
        "R",
        "Noise",
    )
    assert record.issue.issue == issue_id("exampleville", "exampleville-2019", "hotline", "R")
    assert record.issue.claims == (
        PlaceClaim(by="point", lat=53.335, lon=-6.285),
        PlaceClaim(by="grid", code="0102"),
        PlaceClaim(by="street", code="01"),
    )
    assert record.ending is not None
    assert record.ending.action == action_id("exampleville", "exampleville-2019", "R#ended")
    assert (record.ending.issue, record.ending.outcome, record.published) == (
        record.issue.issue,
        "closed",
        False,
    )


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"id": " "}, "id", "no reference"),
        ({"opened": "n/a"}, "opened", "no reported time"),
        ({"opened": "03.06.2019"}, "opened", "not a time in iso or %d/%m/%Y %H:%M"),
        ({"opened": "0001-01-01T00:00:00+14:00"}, "opened", "not a time in iso or %d/%m/%Y %H:%M"),
        ({"target": "31/06/2019"}, "target", "not a time in %d/%m/%Y or iso"),
        ({"target": "9999-12-31T23:59:59-01:00"}, "target", "not a time in %d/%m/%Y or iso"),
        ({"closed": "soon"}, "closed", "not a time in iso or %d/%m/%Y %H:%M"),
        (
            {"channel": "Fax"},
            "channel",
            "not a line that is taken; known are App, Letter, Phone, Twitter",
        ),
        (
            {"channel": ""},
            "channel",
            "not a line that is taken; known are App, Letter, Phone, Twitter",
        ),
        ({"latitude": "53,3"}, "latitude", "not a number"),
        ({"latitude": "1_0"}, "latitude", "not a number"),
        ({"latitude": "٣"}, "latitude", "not a number"),
        ({"latitude": "-inf"}, "latitude", "not a finite number"),
        ({"longitude": "1e999"}, "longitude", "not a finite number"),
        ({"latitude": "90.0001"}, "latitude", "beyond ±90 degrees"),
        ({"longitude": "-180.5"}, "longitude", "beyond ±180 degrees"),
        ({"type": "a\0b"}, "type", "a NUL is no text"),
        ({"ward": "Stra\udcdfe"}, "ward", "not text in utf-8; see csv.encoding"),
    ],
)
def test_a_row_that_cannot_become_an_issue_is_refused_by_column_value_and_reason(
    changed: dict[str, str], column: str, reason: str
) -> None:
    with pytest.raises(Invalid) as refused:
        mapper().read(row(**changed))
    assert (refused.value.field, refused.value.reason) == (column, reason)
    refused.value.value.encode()


def test_a_row_with_a_wrong_number_of_cells_is_refused() -> None:
    with pytest.raises(Invalid, match="a row has 12 cells"):
        mapper().read([*row(), ""])


def test_degrees_at_their_ends_are_accepted() -> None:
    assert mapper().read(row(latitude="-90", longitude="+180.0")).issue.claims[0] == PlaceClaim(
        by="point", lat=-90.0, lon=180.0
    )


def test_bytes_that_are_not_text_in_a_column_that_nobody_reads_do_no_harm() -> None:
    header = Header(PROFILE, [*HEADER, "remarks"])
    assert RowMapper(PROFILE, header).read([*row(), "\udcdf"]).reported == JUNE_3


@pytest.mark.parametrize(
    ("status", "closed", "outcome", "rules"),
    [
        ("Done", "", None, ("closed_without_time",)),
        ("Void", "", None, ("closed_without_time",)),
        ("Shelved", "", None, ("closed_without_time",)),
        ("New", "", None, ()),
        ("New", "2019-06-05", "closed", ()),
        ("Void", "2019-06-05", "withdrawn", ()),
        ("", "2019-06-05", "closed", ()),
    ],
)
def test_how_a_record_ended(
    status: str, closed: str, outcome: str | None, rules: tuple[str, ...]
) -> None:
    record = mapper().read(row(status=status, closed=closed))
    assert (record.ending.outcome if record.ending else None, record.issue.rules) == (
        outcome,
        rules,
    )


@pytest.mark.parametrize(
    ("lat", "lon", "by"),
    [
        ("", "-6.2850", "no_point"),
        ("53.3", "n/a", "no_point"),
        ("53.3498", "-6.2603", "unknown_point"),
        ("53.34984", "-6.26026", "unknown_point"),
        ("53.3497", "-6.2603", "point"),
    ],
)
def test_half_a_point_is_none_and_the_sources_unknown_is_compared_after_rounding(
    lat: str, lon: str, by: str
) -> None:
    assert mapper().read(row(latitude=lat, longitude=lon)).issue.claims[0].by == by


@pytest.mark.parametrize(
    ("how", "cell", "code"),
    [
        ({"drop": r"\.0$", "pad": 4}, "102.0", "0102"),
        ({"drop": r"\.0$", "pad": 4}, "0502A", "0502A"),
        ({"keep": r"(\d+)$", "pad": 2}, "Ward 3", "03"),
        ({"keep": r"(\d+)$", "pad": 2}, "none", ""),
        ({"keep": r"^(x)?", "pad": 2}, "y", ""),
        ({"drop": "-", "keep": r"([A-Z]\d+)"}, "C-11-x", "C11"),
        ({"pad": 4}, "", ""),
        ({"pad": 4}, "-1", "00-1"),
    ],
)
def test_a_cell_becomes_a_code(how: dict[str, Any], cell: str, code: str) -> None:
    assert make_code(cell, Code(**how)) == code


# ── Identity ─────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4))
def test_an_id_is_the_digest_of_a_json_array(words: list[str]) -> None:
    array = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    assert issue_id(*words) == sha256(array.encode()).hexdigest()[:32]


def test_the_id_of_the_contract() -> None:
    array = b'["city","source","hotline","R-1"]'
    assert issue_id("city", "source", "hotline", "R-1") == sha256(array).hexdigest()[:32]


# ── Times ────────────────────────────────────────────────────────────────────────────────────────

ISO = TimeColumn(column="t")
DAY_END = TimeColumn(column="t", formats=("%d/%m/%Y", "iso"), day="end")
AMERICAN = TimeColumn(column="t", formats=("%m/%d/%Y %I:%M:%S %p",))


@pytest.mark.parametrize(
    ("zone", "column", "text", "utc", "rules"),
    [
        ("Europe/Dublin", ISO, "2019-06-03T09:00:00", "2019-06-03T08:00:00Z", ()),
        ("Europe/Dublin", ISO, "2019-06-03", "2019-06-02T23:00:00Z", ()),
        ("Europe/Dublin", ISO, "2019-06-03T09:00:00Z", "2019-06-03T09:00:00Z", ()),
        (
            "Europe/Dublin",
            ISO,
            "2019-06-03T09:00:00.000001+02:00",
            "2019-06-03T07:00:00.000001Z",
            (),
        ),
        ("Europe/Dublin", ISO, "2019-03-31T00:59:59", "2019-03-31T00:59:59Z", ()),
        ("Europe/Dublin", ISO, "2019-03-31T01:00:00", "2019-03-31T01:00:00Z", ("gap_time",)),
        ("Europe/Dublin", ISO, "2019-03-31T01:59:59", "2019-03-31T01:59:59Z", ("gap_time",)),
        ("Europe/Dublin", ISO, "2019-03-31T02:00:00", "2019-03-31T01:00:00Z", ()),
        ("Europe/Dublin", ISO, "2019-10-27T00:59:59", "2019-10-26T23:59:59Z", ()),
        ("Europe/Dublin", ISO, "2019-10-27T01:00:00", "2019-10-27T00:00:00Z", ("overlap_time",)),
        ("Europe/Dublin", ISO, "2019-10-27T01:59:59", "2019-10-27T00:59:59Z", ("overlap_time",)),
        ("Europe/Dublin", ISO, "2019-10-27T02:00:00", "2019-10-27T02:00:00Z", ()),
        ("Europe/Dublin", DAY_END, "07/06/2019", "2019-06-07T22:59:59.999999Z", ()),
        ("Europe/Dublin", DAY_END, "2019-06-07T23:30:00Z", "2019-06-08T22:59:59.999999Z", ()),
        ("America/Santiago", DAY_END, "06/04/2019", "2019-04-07T03:59:59.999999Z", ()),
        ("America/New_York", AMERICAN, "01/01/2015 12:20:09 AM", "2015-01-01T05:20:09Z", ()),
        (
            "America/New_York",
            AMERICAN,
            "03/08/2015 02:30:00 AM",
            "2015-03-08T07:30:00Z",
            ("gap_time",),
        ),
        ("America/New_York", AMERICAN, "1/1/2015  1:20:09 PM", "2015-01-01T18:20:09Z", ()),
        ("Europe/Dublin", DAY_END, "31/12/9999", "9999-12-31T23:59:59.999999Z", ()),
        ("UTC", ISO, "0001-01-01", "0001-01-01T00:00:00Z", ()),
        ("Europe/Dublin", ISO, "1890-06-01T12:00:00", "1890-06-01T12:25:21Z", ()),
        (
            "Australia/Lord_Howe",
            ISO,
            "2019-04-07T01:45:00",
            "2019-04-06T14:45:00Z",
            ("overlap_time",),
        ),
    ],
)
def test_local_times(
    zone: str, column: TimeColumn, text: str, utc: str, rules: tuple[str, ...]
) -> None:
    at, met = LocalClock(zone).read(column, text)
    assert (rfc3339(at), met) == (utc, rules)


@given(
    st.datetimes(),
    st.sampled_from(["Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_a_local_time_is_what_the_standard_library_says(moment: Any, zone: str) -> None:
    try:
        expected = moment.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
        at, _ = LocalClock(zone).instant(moment)
    except OverflowError:
        return
    assert at == (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "category:",
            "categroy:",
            [
                "profile.yaml:11: categroy: unknown key; did you mean 'category'?",
                "category: this key is missing",
            ],
        ),
        (
            "decimals: 4",
            "decimal: 4",
            ["profile.yaml:19: place.0.point.decimal: unknown key; did you mean 'decimals'?"],
        ),
        (
            "{from: ward_no",
            "{form: ward_no",
            ["map.streets.form: unknown key; did you mean 'from'?"],
        ),
        (
            "Europe/Dublin",
            "Europe/Dubin",
            ["profile.yaml:4: zone:", "not a zone of the IANA database"],
        ),
        ("format: 1", "format: 3", ["profile.yaml:3: format:"]),
        ("Phone: hotline", "Phone: telephone", ["profile.yaml:9: line.values.Phone:", "'hotline'"]),
        (r"'(\d+)$'", r"'\d+$'", ["place.2.street.keep:", "group 1 is what is kept"]),
        (r"'\.0$'", "'['", ["place.1.grid.drop:", "not a regular expression"]),
        ("PT24H", "24 hours", ["calls.answer_within:"]),
        ("PT24H", "P90000000D", ["calls.answer_within:"]),
        (
            "encoding: utf-8",
            "encoding: utf-9",
            ["profile.yaml:5: csv.encoding:", "'utf-9' is not a known encoding"],
        ),
        ("encoding: utf-8", "encoding: base64", ["'base64' is not a known encoding"]),
        (
            'delimiter: ";"',
            "delimiter: '\"'",
            ["profile.yaml:5: csv.delimiter:", "cannot separate cells"],
        ),
        (
            "%d/%m/%Y %H:%M",
            "%d/%m/%Q",
            [
                "profile.yaml:12: reported.formats.1:",
                "not a format of strptime: 'Q' is a bad directive",
            ],
        ),
        ("%d/%m/%Y %H:%M", "%d/%d", ["reported.formats.1:", "is in it twice"]),
        (
            "merge: never",
            "merge: never\nmerge: never",
            ["profile.yaml:30: merge: this key is here twice"],
        ),
        (
            "  - point: {lat: latitude",
            "  - grid: {column: x}\n    point: {lat: latitude",
            ["exactly one of point, grid or street"],
        ),
        ("zone: Europe/Dublin", "zone: [", ["not a YAML file"]),
        ("zone: Europe/Dublin", "zone: " + "[" * 1000, ["not a YAML file"]),
        ("name: Exampleville", "name: &a Exampleville, code: *a", ["aliases (*name) are not read"]),
        (
            "name: Exampleville",
            'name: "\\0"',
            ["profile.yaml:23: map.district.name: NUL or half a character"],
        ),
        ("Phone: hotline", '"\\ud800": hotline', ["NUL or half a character"]),
        (
            r"'\.0$'",
            "'a{99999999999999999999}'",
            ["place.1.grid.drop:", "not a regular expression"],
        ),
    ],
)
def test_a_profile_that_cannot_be_used_names_file_line_key_and_what_to_do(
    tmp_path: Path, old: str, new: str, says: list[str]
) -> None:
    with pytest.raises(ProfileError) as refused:
        load_profile(changed_profile(tmp_path, old, new))
    for words in says:
        assert words in str(refused.value)


def test_scalars_are_the_text_that_was_written(tmp_path: Path) -> None:
    path = changed_profile(
        tmp_path,
        "Done: closed, Void: withdrawn, New: open",
        "No: open, 0406: closed, null: withdrawn",
    )
    profile, _ = load_profile(path)
    assert profile.ended is not None
    assert profile.ended.state is not None
    assert profile.ended.state.values == {"No": "open", "0406": "closed", "null": "withdrawn"}


def test_a_limit_to_answer_may_be_left_out_in_words(tmp_path: Path) -> None:
    profile, _ = load_profile(
        changed_profile(tmp_path, "{answer_within: PT24H}", "{answer_within: never}")
    )
    assert profile.calls.answer_within == "never"
    profile, _ = load_profile(changed_profile(tmp_path, "{answer_within: PT24H}", "never"))
    assert profile.calls.answer_within == "never"


def test_a_profile_names_its_columns_with_their_keys() -> None:
    columns = PROFILE.columns()
    assert columns["id"] == "reference.column"
    assert columns["status"] == "ended.state.column"
    assert columns["longitude"] == "place.0.point.lon"
    assert isinstance(PROFILE, Profile)
