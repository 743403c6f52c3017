"""Formats of times: what a profile may say, and what each format reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Invalid
from events.instants import EPOCH, MICROSECOND, rfc3339
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.profile import TimeColumn
from gridcall.simulation.city.time_formats import check_format

# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "form",
    [
        "iso", "epoch", "epoch_ms",
        "%d/%m/%Y", "%m/%d/%y %I:%M %p", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%c", "%x",
        "%Y-%j", "%G-W%V-%u", "%a %W %Y",
        "%Y-%m-%dT%H:%M:%S%z", "%d. %m. %Y um %H Uhr", "%d-%m-20%y", "%d %m %Y 100%%",
        "%Y-%m-%d Zeit %H:%M", "%d/%m/%Y -- %H:%M",
    ],
)  # fmt: skip
def test_a_format_that_reads_a_date_is_taken(form: str) -> None:
    assert check_format(form) == form


@pytest.mark.parametrize("form", ["%H:%M", "%d/%m", "%m/%Y", "%Y", "%p", "%Y %U", "%G %V", "%b %d"])
def test_a_format_without_year_month_and_day_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="has no year, month and day"):
        check_format(form)


@pytest.mark.parametrize(
    ("form", "nearest"),
    [("ISO", "iso"), ("iso8601", "iso"), ("Epoch", "epoch"), ("epochms", "epoch_ms"), ("", "iso")],
)
def test_a_word_that_is_no_format_is_refused_and_the_nearest_named(form: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'"):
        check_format(form)


def test_a_percent_sign_alone_is_no_directive() -> None:
    with pytest.raises(ValueError, match="is no format"):
        check_format("100%%")


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "Z"), ("%Y-%m-%dT%H:%M:%S.000Z", "Z"), ("%Y-%m-%d %H:%Mz", "z"),
        ("%d/%m/%Y %H:%M UTC", "UTC"), ("%d/%m/%Y %H:%M (gmt)", "gmt"), ("GMT %d/%m/%Y", "GMT"),
        ("%Y/%m/%d %H:%M:%S+00", "+00"), ("%Y/%m/%d %H:%M:%S +0000", "+0000"),
        ("%Y/%m/%d %H:%M:%S-05:00", "-05:00"), ("%H:%M:%S+01 %d/%m/%Y", "+01"),
    ],
)  # fmt: skip
def test_a_literal_zone_is_refused_because_the_time_would_be_read_as_local(
    form: str, zone: str
) -> None:
    with pytest.raises(ValueError, match="write %z in its place") as refused:
        check_format(form)
    assert f"the literal zone {zone!r}" in str(refused.value)


def test_a_name_of_a_zone_is_refused_because_strptime_drops_it() -> None:
    with pytest.raises(ValueError, match="reads a name but no offset: write %z"):
        check_format("%d/%m/%Y %H:%M %Z")


# ── Offsets ──────────────────────────────────────────────────────────────────────────────────────


def read(zone: str, form: str, text: str, day: Any = None) -> tuple[str, tuple[str, ...]]:
    column = TimeColumn(column="t", formats=(form,), day=day)
    at, flags = LocalClock(zone).read(column, text)
    return rfc3339(at), flags


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("%Y/%m/%d %H:%M:%S%z", "2021/07/02 13:45:59+00", "2021-07-02T13:45:59Z"),
        ("%Y/%m/%d %H:%M:%S%z", "2021/07/02 13:45:59-03", "2021-07-02T16:45:59Z"),
        ("%Y/%m/%d %H:%M:%S%z", "2021/07/02 13:45:59+0545", "2021-07-02T08:00:59Z"),
        ("%Y/%m/%d %H:%M:%S%z", "2021/07/02 13:45:59+05:45", "2021-07-02T08:00:59Z"),
        ("%Y/%m/%d %H:%M:%S%z", "2021/07/02 13:45:59Z", "2021-07-02T13:45:59Z"),
        ("%Y-%m-%d %H:%M:%S %z", "2021-07-02 13:45:59 UTC", "2021-07-02T13:45:59Z"),
        ("%Y-%m-%d %H:%M:%S %z", "2021-07-02 13:45:59 GMT", "2021-07-02T13:45:59Z"),
        ("%Y-%m-%d %H:%M:%S %z", "2021-07-02 13:45:59 +02", "2021-07-02T11:45:59Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "2021-07-02T13:45:59-23", "2021-07-03T12:45:59Z"),
        ("%z %d-%m-%Y", "+02 02-07-2021", "2021-07-01T22:00:00Z"),
        ("%d-%m-%Y (%z) %H:%M", "02-07-2021 (UTC) 13:45", "2021-07-02T13:45:00Z"),
        ("%d-%m-%Y (%z) %H:%M", "02-07-2021 (-04) 13:45", "2021-07-02T17:45:00Z"),
    ],
)
def test_offsets_are_also_read_in_their_short_forms(form: str, text: str, utc: str) -> None:
    assert read("America/New_York", form, text) == (utc, ())


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d%z", "2021-07-02"),
        ("%Y-%m-%d %H:%M%z", "2021-07-02 13:45"),
        ("%Y-%m-%d %H:%M%z", "2021-07-02 13:45+24"),
        ("%Y-%m-%d %H:%M%z", "2021-07-02 13:45+1"),
        ("%Y-%m-%d %H:%M%z", "2021-07-02 13:45EST"),
        ("%z %d/%m-%Y", "+0100 02/07-20"),
    ],
)
def test_a_time_without_a_readable_offset_is_rejected(form: str, text: str) -> None:
    with pytest.raises(Invalid, match="not a time"):
        read("America/New_York", form, text)


# ── Times of day ────────────────────────────────────────────────────────────────────────────────

TIMES = ("%H:%M:%S", "%I:%M:%S %p", "%I:%M:%S%p", "%H:%M", "%I:%M %p", "%H:%M:%S.%f")
times_of_day = st.one_of(
    st.times().flatmap(lambda time: st.sampled_from([time.strftime(form) for form in TIMES])),
    st.from_regex(r"[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2})?(\s*[AaPp][Mm])?.?", fullmatch=True),
)


@given(st.sampled_from(TIMES), st.lists(times_of_day, min_size=1, max_size=5))
def test_a_time_of_day_is_read_as_strptime_reads_it(form: str, texts: list[str]) -> None:
    for text in texts:
        try:
            time = datetime.strptime(f"2021-07-02 {text}", f"%Y-%m-%d {form}")
        except ValueError:
            with pytest.raises(Invalid):
                read("UTC", f"%Y-%m-%d {form}", f"2021-07-02 {text}")
        else:
            instant = f"{time.isoformat()}Z"
            assert read("UTC", f"%Y-%m-%d {form}", f"2021-07-02 {text}") == (instant, ())


# ── Seconds since 1970 ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("epoch", "0", "1970-01-01T00:00:00Z"),
        ("epoch", "1625233559", "2021-07-02T13:45:59Z"),
        ("epoch", "+1625233559.25", "2021-07-02T13:45:59.250000Z"),
        ("epoch", "1625233559.9999999", "2021-07-02T13:45:59.999999Z"),
        ("epoch", "-1.0000019", "1969-12-31T23:59:58.999999Z"),
        ("epoch_ms", "1625233559123", "2021-07-02T13:45:59.123000Z"),
        ("epoch_ms", "1625233559123.4567", "2021-07-02T13:45:59.123456Z"),
        ("epoch_ms", "-0.5", "1969-12-31T23:59:59.999500Z"),
        ("epoch_ms", "0001625233559000", "2021-07-02T13:45:59Z"),
    ],
)
def test_seconds_and_milliseconds_since_1970(form: str, text: str, utc: str) -> None:
    assert read("Asia/Kathmandu", form, text) == (utc, ())


@pytest.mark.parametrize(
    "text",
    ["", "-", "1.", ".5", "1e9", "1_000", "٣", "1,5", "0x10", "99999999999999", "9" * 5000],
)
@pytest.mark.parametrize("form", ["epoch", "epoch_ms"])
def test_anything_else_is_no_number_of_seconds(form: str, text: str) -> None:
    if form == "epoch_ms" and text == "99999999999999":
        text *= 2
    with pytest.raises(Invalid, match=f"not a time in {form}"):
        read("UTC", form, text)


# ── The end of a day ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("America/Santiago", "2027-04-03", "2027-04-04T03:59:59.999999Z"),  # 23 h comes twice.
        ("America/Santiago", "2027-09-04", "2027-09-05T03:59:59.999999Z"),  # 0 h is left out.
        ("America/Santiago", "2027-09-05", "2027-09-06T02:59:59.999999Z"),
        ("America/Toronto", "1919-03-30", "1919-03-31T04:29:59.999999Z"),  # 23:30 → 0:30.
        ("America/St_Johns", "2010-11-06", "2010-11-07T03:29:59.999999Z"),  # 0:01 → 23:01.
        ("Pacific/Apia", "2011-12-29", "2011-12-30T09:59:59.999999Z"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T09:59:59.999999Z"),  # Not a date there.
        ("Europe/Dublin", "2019-10-27", "2019-10-27T23:59:59.999999Z"),
        ("Europe/Dublin", "2019-03-31T01:30:00", "2019-03-31T22:59:59.999999Z"),
        ("Europe/Dublin", "2019-10-27T01:30:00", "2019-10-27T23:59:59.999999Z"),
        ("America/New_York", "2021-07-03T03:59:59Z", "2021-07-03T03:59:59.999999Z"),
        ("America/New_York", "2021-07-03T04:00:00Z", "2021-07-04T03:59:59.999999Z"),
    ],
)
def test_the_end_of_a_day_is_its_last_instant_and_leaves_no_rule(
    zone: str, text: str, utc: str
) -> None:
    assert read(zone, "iso", text, "end") == (utc, ())


def test_the_end_of_a_day_is_that_of_the_local_date_of_a_number_of_seconds() -> None:
    assert (
        read("America/New_York", "epoch", "1625284000", "end")[0] == "2021-07-03T03:59:59.999999Z"
    )


ZONES = (
    "Europe/Dublin", "America/New_York", "America/Santiago", "America/St_Johns",
    "Australia/Lord_Howe", "Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu", "America/Asuncion",
)  # fmt: skip


@given(st.dates(datetime(1971, 1, 1).date(), datetime(2037, 1, 1).date()), st.sampled_from(ZONES))
def test_after_the_end_of_a_day_comes_another_date(day: Any, zone: str) -> None:
    at, _ = LocalClock(zone).read(TimeColumn(column="t", day="end"), day.isoformat())
    local = [
        (EPOCH + (at + step) * MICROSECOND).astimezone(ZoneInfo(zone)).date() for step in (0, 1)
    ]
    assert local == [day, day + timedelta(days=1)]


@given(st.sampled_from(ZONES), st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)))
def test_the_ends_of_days_follow_the_days(zone: str, moment: Any) -> None:
    clock, days = LocalClock(zone), [moment + timedelta(days=n) for n in range(400)]
    column = TimeColumn(column="t", day="end")
    ends = [clock.read(column, day.date().isoformat())[0] for day in days]
    assert all(22 <= (later - sooner) / 3.6e9 <= 26 for sooner, later in pairwise(ends))
