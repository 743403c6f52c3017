"""A page of a log over HTTP."""

from __future__ import annotations

from eventlog.http_log import PAGE_BYTES_MAX, page


def test_a_page_has_whole_events_up_to_its_limit_and_at_least_one() -> None:
    half = b"x" * (PAGE_BYTES_MAX // 2 - 1)
    assert page([half, half, b"y"]) == half + b"\n" + half + b"\n"
    assert page([half, half + b"z"]) == half + b"\n"
    assert page([b"x" * PAGE_BYTES_MAX, b"y"]) == b"x" * PAGE_BYTES_MAX + b"\n"
    assert page([]) == b""
