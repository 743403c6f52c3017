"""A long delay is reported once, and again when it is over."""

from __future__ import annotations

from eventlog.lag import ALARM_SECONDS, Lag, LagAlarm


def lag(rows: int) -> Lag:
    return {"unpublished": {"cases/a": rows, "cases/b": 0}, "unread": {}}


def test_a_short_delay_is_not_reported() -> None:
    alarm = LagAlarm()
    assert alarm.messages(lag(5), 0) == []
    assert alarm.messages(lag(5), ALARM_SECONDS - 1) == []
    assert alarm.messages(lag(0), ALARM_SECONDS) == []
    assert alarm.messages(lag(5), ALARM_SECONDS + 1) == [], "it begins again"


def test_a_long_delay_is_reported_once_and_again_when_it_is_over() -> None:
    alarm = LagAlarm()
    alarm.messages(lag(5), 0)
    (said,) = alarm.messages(lag(1234), ALARM_SECONDS)
    assert "cases/a" in said
    assert "1,234" in said
    assert alarm.messages(lag(9), ALARM_SECONDS + 5) == []
    assert alarm.messages(lag(0), ALARM_SECONDS + 10) == ["unpublished: cases/a has caught up"]
    assert alarm.messages(lag(0), ALARM_SECONDS + 15) == []
