"""Who stays behind is told of once, and again when he has caught up."""

from __future__ import annotations

from eventlog.lag import ALARM_SECONDS, Lag, LagAlarm


def lag(rows: int) -> Lag:
    return {"unpublished": {"cases/a": rows, "cases/b": 0}, "unread": {}}


def test_what_is_behind_for_a_moment_is_not_told() -> None:
    alarm = LagAlarm()
    assert alarm.messages(lag(5), 0) == []
    assert alarm.messages(lag(5), ALARM_SECONDS - 1) == []
    assert alarm.messages(lag(0), ALARM_SECONDS) == []
    assert alarm.messages(lag(5), ALARM_SECONDS + 1) == [], "it begins anew"


def test_what_stays_behind_is_told_once_and_again_when_it_has_caught_up() -> None:
    alarm = LagAlarm()
    alarm.messages(lag(5), 0)
    (said,) = alarm.messages(lag(1234), ALARM_SECONDS)
    assert "cases/a" in said
    assert "1,234" in said
    assert alarm.messages(lag(9), ALARM_SECONDS + 5) == []
    assert alarm.messages(lag(0), ALARM_SECONDS + 10) == ["unpublished: cases/a has caught up"]
    assert alarm.messages(lag(0), ALARM_SECONDS + 15) == []
